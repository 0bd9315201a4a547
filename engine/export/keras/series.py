"""Recurrent layers and attention, whose weights Keras orders otherwise."""

from collections.abc import Callable, Mapping

import numpy as np

from engine.arrays import Array
from engine.export.keras.layer import MODULE, Config, KerasLayer, Rule, named
from engine.layers import Layer, LayerSpec
from engine.layers.attention.multi_head import MultiHeadAttentionSpec
from engine.layers.recurrent.base import RecurrentSpec
from engine.layers.recurrent.bidirectional import BidirectionalSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec

Weights = Mapping[str, Array]
Variables = dict[str, Array]


def _blocks(array: Array, number: int, order: tuple[int, ...]) -> Array:
    """Equal parts of the last axis in another order."""
    parts = np.split(array, number, axis=-1)
    return np.concatenate([parts[place] for place in order], axis=-1)


def simple_rnn(weights: Weights) -> Variables:
    """One block: nothing to order."""
    return named(weights, W="kernel", U="recurrent_kernel", b="bias")


def lstm(weights: Weights) -> Variables:
    """Ours are the gates i, f, o and the candidate; Keras has i, f, the candidate, o."""
    return {
        theirs: _blocks(weights[ours], 4, (0, 1, 3, 2))
        for ours, theirs in (("W", "kernel"), ("U", "recurrent_kernel"), ("b", "bias"))
    }


def gru(weights: Weights) -> Variables:
    """Ours are r, z and the candidate; Keras has z, r and the candidate, and a bias for W x and one for U h.

    Both biases of r and z are added: ours are the first. Of the candidate ours are the one of U h, then that of W x.
    """
    reset, update, of_u, of_w = np.split(weights["b"], 4)
    nothing = np.zeros_like(reset)
    return {
        "kernel": _blocks(weights["W"], 3, (1, 0, 2)),
        "recurrent_kernel": _blocks(weights["U"], 3, (1, 0, 2)),
        "bias": np.stack([np.concatenate([update, reset, of_w]), np.concatenate([nothing, nothing, of_u])]),
    }


KINDS: dict[type[RecurrentSpec], tuple[str, Callable[[Weights], Variables]]] = {
    SimpleRnnSpec: ("SimpleRNN", simple_rnn),
    LstmSpec: ("LSTM", lstm),
    GruSpec: ("GRU", gru),
}
"""The class of each kind, and its variables."""


def _config(spec: RecurrentSpec) -> Config:
    config: Config = {
        "units": spec.units,
        "return_sequences": spec.return_sequences,
        "go_backwards": spec.backwards,
    }
    return config | ({"reset_after": True} if isinstance(spec, GruSpec) else {})


def recurrent(spec: RecurrentSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """kernel (features, blocks units), recurrent_kernel (units, blocks units), bias.

    Keras leaves out padding in another way, and turns the steps around that it has read backwards.
    """
    name, variables = KINDS[type(spec)]
    alike = spec.mask_value is None and not (spec.backwards and spec.return_sequences)
    return [KerasLayer(name if alike else None, _config(spec), variables(weights))]


def bidirectional(spec: BidirectionalSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """The variables of both layers, forward_layer first."""
    inner = spec.layer
    name, variables = KINDS[type(inner)]
    both = {
        f"{which}/{variable}": values
        for place, which in enumerate(("forward_layer", "backward_layer"))
        for variable, values in variables(_within(weights, place)).items()
    }
    config = {
        "layer": {"module": MODULE, "class_name": name, "config": _config(inner)},
        "merge_mode": "concat" if spec.merge == "concatenate" else "sum",
    }
    alike = inner.mask_value is None and not inner.backwards
    return [KerasLayer("Bidirectional" if alike else None, config, both)]


def _within(weights: Weights, place: int) -> Variables:
    """The weights of one of several layers, by their own names, which are the ends of these."""
    prefix = f"{place}."
    return {name.rpartition(".")[2]: values for name, values in weights.items() if name.startswith(prefix)}


def attention(spec: MultiHeadAttentionSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """kernels (features, heads, size) of query, key and value, and (heads, size, features) of the output.

    The layer is called with the series twice.
    """
    features = layer.in_shape[1]
    heads, size = spec.heads, spec.head_size(features)
    variables: Variables = {}
    kernels, biases = (
        np.split(weights["W"], 3, axis=1),
        np.split(weights.get("b", np.zeros(0, np.float32)), 3),
    )
    # The order of Keras' variables: query, key, value, output.
    for part, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
        variables[f"{part}/kernel"] = kernel.reshape(features, heads, size)
        if spec.bias:
            variables[f"{part}/bias"] = bias.reshape(heads, size)
    variables["output/kernel"] = weights["W_o"].reshape(heads, size, features)
    if spec.bias:
        variables["output/bias"] = weights["b_o"]
    config = {"num_heads": heads, "key_dim": size, "use_bias": spec.bias}
    alike = spec.mask_value is None and not spec.causal
    return [KerasLayer("MultiHeadAttention" if alike else None, config, variables)]


RULES: dict[type[LayerSpec], Rule] = {
    **dict.fromkeys(KINDS, recurrent),
    BidirectionalSpec: bidirectional,
    MultiHeadAttentionSpec: attention,
}
"""The rules of this family."""
