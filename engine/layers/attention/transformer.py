"""The transformer's encoder block: attention and a feed-forward network, each around a shortcut."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer, GlorotUniformSpec, HeNormalSpec, ZerosSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.activations.smooth_rectifiers import GeluSpec
from engine.layers.attention.multi_head import AttentionSpec, MultiHeadAttention, MultiHeadAttentionSpec
from engine.layers.attention.step_dense import StepDense
from engine.layers.base import Layer, LayerSpec
from engine.layers.combinators import Residual, Sequential, build_chain
from engine.layers.dropout import DropoutSpec
from engine.layers.normalization.layer import LayerNormalizationSpec

_ACTIVATIONS: dict[str, Callable[[], LayerSpec]] = {"relu": ReluSpec, "gelu": GeluSpec}


class TransformerEncoderSpec(AttentionSpec):
    """A transformer block: self-attention, then two dense layers at each step, both around a shortcut.

    Blocks can be stacked. With `normalization` "pre" a layer normalisation belongs after the last of them.
    """

    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()
    formula: ClassVar[str] = (
        r"\text{pre: } h = x + \mathrm{MHA}(\mathrm{LN}(x)), \ y = h + \mathrm{FF}(\mathrm{LN}(h)); \quad"
        r" \text{post: } h = \mathrm{LN}(x + \mathrm{MHA}(x)), \ y = \mathrm{LN}(h + \mathrm{FF}(h)); \quad"
        r" \mathrm{FF}(h) = f(h W_1 + b_1) W_2 + b_2"
    )
    source: ClassVar[str] = (
        "Vaswani et al. 2017, Attention is all you need, section 3.1 (post); Xiong et al. 2020, On layer "
        "normalization in the transformer architecture, table 1 (pre)"
    )

    kind: Literal["transformer_encoder"] = "transformer_encoder"
    feed_forward: PositiveInt | None = Field(
        None, description="Units of the hidden dense layer; left out: four times the number of features."
    )
    activation: Literal["relu", "gelu"] = Field(
        "relu", description="Activation of the hidden dense layer, f."
    )
    normalization: Literal["pre", "post"] = Field(
        "pre",
        description="Where the layer normalisations stand: before the attention and the dense layers, which "
        "trains more easily, or after the shortcuts, as in the article.",
    )
    dropout: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="The part of the values that is dropped, while training, before each shortcut joins in.",
    )

    def build(self, in_shape: Shape) -> "TransformerEncoder":
        """Build for a series; raises `InvalidSpec` for other rows or where the heads do not divide the features."""
        self.check(in_shape)
        asked = self.model_dump(include=set(AttentionSpec.model_fields) - {"kind"})
        attention = MultiHeadAttentionSpec(**asked).build(in_shape)
        steps, features = in_shape
        hidden = (steps, self.feed_forward or 4 * features)
        [activation] = build_chain((_ACTIVATIONS[self.activation](),), hidden)
        feed_forward = (
            StepDense(in_shape, hidden[1], start=HeNormalSpec(), bias_start=ZerosSpec()),
            activation,
            StepDense(hidden, features, start=GlorotUniformSpec(), bias_start=ZerosSpec()),
        )
        layers: list[Layer] = []
        for inner in ((attention,), feed_forward):
            norm, dropout = build_chain((LayerNormalizationSpec(), DropoutSpec(rate=self.dropout)), in_shape)
            body = (norm, *inner, dropout) if self.normalization == "pre" else (*inner, dropout)
            layers.append(Residual(Sequential(body, in_shape), Sequential((), in_shape)))
            if self.normalization == "post":
                layers.append(norm)
        return TransformerEncoder(layers, attention)


class TransformerEncoder(Sequential):
    """The chain of the block's layers; the padding is found here, where it still is what came in."""

    def __init__(self, layers: Sequence[Layer], attention: MultiHeadAttention) -> None:
        super().__init__(layers, attention.in_shape)
        self._mask = attention.mask
        attention.finds_mask = False

    def forward(self, x: Array, train: bool) -> Array:
        """Through the layers; padding stays as it is."""
        if self._mask:
            self._mask.find(x)
        y = super().forward(x, train)
        if self._mask:
            self._mask.restore(y)
        return y

    def backward(self, dy: Array) -> Array:
        """Back through the layers."""
        if self._mask:
            self._mask.silence(dy)
        return super().backward(dy)
