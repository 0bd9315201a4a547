"""Attention, positional encoding, and the transformer's block."""

import numpy as np

from engine.arrays import Array
from engine.export.layers.masking import padded_steps, restored
from engine.export.writer import Rule, Writer
from engine.layers import Layer, LayerSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.activations.smooth_rectifiers import GeluSpec
from engine.layers.attention.multi_head import HIDDEN, AttentionSpec, MultiHeadAttentionSpec
from engine.layers.attention.positional_encoding import PositionalEncoding, PositionalEncodingSpec
from engine.layers.attention.transformer import TransformerEncoderSpec
from engine.layers.normalization.layer import LayerNormalizationSpec


def positional_encoding(w: Writer, spec: PositionalEncodingSpec, layer: Layer, x: str) -> str:
    """x + P; padding stays as it is."""
    assert isinstance(layer, PositionalEncoding)
    positions = layer.positions(w.weights(layer), np.dtype(np.float32))
    return restored(w.graph, w.graph.add("Add", x, positions), _padding(w, spec, x), spec.mask_value)


def multi_head(w: Writer, spec: MultiHeadAttentionSpec, layer: Layer, x: str) -> str:
    """softmax(Q K^T / sqrt(d)) V of each head, through W_o."""
    return attend(w, spec, layer, x, _padding(w, spec, x))


def attend(w: Writer, spec: MultiHeadAttentionSpec, layer: Layer, x: str, padded: str | None) -> str:
    """The same where it is known already which steps are padding."""
    g, weights, (steps, features) = w.graph, w.weights(layer), layer.in_shape
    size = spec.head_size(features)
    inner = spec.heads * size
    qkv = _step_dense(w, x, weights, "")
    q, k, v = (
        g.add(
            "Transpose",
            g.reshape(g.part(qkv, i * inner, (i + 1) * inner), (steps, spec.heads, size)),
            perm=(0, 2, 3, 1) if i == 1 else (0, 2, 1, 3),  # K transposed
        )
        for i in range(3)
    )
    scores = g.add("MatMul", g.add("Mul", q, size**-0.5), k)
    if spec.causal:
        scores = g.add("Add", scores, np.triu(np.full((steps, steps), -np.inf, np.float32), 1))
    if padded is not None:
        hidden = g.add("Mul", g.add("Cast", padded, to="float32"), HIDDEN)
        scores = g.add("Add", scores, g.reshape(hidden, (1, 1, steps)))
    heads = g.add("MatMul", g.add("Softmax", scores, axis=-1), v)
    heads = g.reshape(g.add("Transpose", heads, perm=(0, 2, 1, 3)), (steps, inner))
    return restored(g, _step_dense(w, heads, weights, "_o"), padded, spec.mask_value)


def transformer(w: Writer, spec: TransformerEncoderSpec, layer: Layer, x: str) -> str:
    """Attention and two dense layers at each step, both around a shortcut; weights in the layers' order."""
    g, shape = w.graph, layer.in_shape
    padded = _padding(w, spec, x)
    asked = spec.model_dump(include=set(AttentionSpec.model_fields) - {"kind"})
    attention, norm = MultiHeadAttentionSpec(**asked), LayerNormalizationSpec()

    def attended(x: str) -> str:
        return attend(w, attention, attention.build(shape), x, padded)

    def fed_forward(x: str) -> str:
        hidden = spec.feed_forward or 4 * shape[1]
        first = w.weights(_sized(shape[1], hidden))
        x = _step_dense(w, x, first, "")
        activation = ReluSpec() if spec.activation == "relu" else GeluSpec()
        x = w.layer(activation, activation.build((shape[0], hidden)), x)
        return _step_dense(w, x, w.weights(_sized(hidden, shape[1])), "")

    for inner in (attended, fed_forward):
        if spec.normalization == "pre":
            x = g.add("Add", x, inner(w.layer(norm, norm.build(shape), x)))
        else:
            x = g.add("Add", x, inner(x))
            x = w.layer(norm, norm.build(shape), x)
    return restored(g, x, padded, spec.mask_value)


def _sized(inputs: int, units: int) -> Layer:
    """A layer that stands for its weights alone."""
    layer = Layer((inputs,), (units,))
    layer.param_shapes = {"W": (inputs, units), "b": (units,)}
    return layer


def _step_dense(w: Writer, x: str, weights: dict[str, Array], ending: str) -> str:
    y = w.graph.add("MatMul", x, weights[f"W{ending}"])
    bias = weights.get(f"b{ending}")
    return y if bias is None else w.graph.add("Add", y, bias)


def _padding(w: Writer, spec: AttentionSpec | PositionalEncodingSpec, x: str) -> str | None:
    return None if spec.mask_value is None else padded_steps(w.graph, x, spec.mask_value)


RULES: dict[type[LayerSpec], Rule] = {
    PositionalEncodingSpec: positional_encoding,
    MultiHeadAttentionSpec: multi_head,
    TransformerEncoderSpec: transformer,
}
"""The rules of this family."""
