"""LeNet-5."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from engine.layers import LayerSpec
from engine.layers.convolution.conv import Conv2dSpec
from engine.layers.dense import DenseSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.pooling.pool import AveragePool2dSpec, MaxPool2dSpec
from engine.templates.base import ACTIVATIONS, ActivationKind
from engine.templates.images import ImageShape, ImageTemplateSpec

FRAME = 32
"""Sides of the article's images: digits of 20 pixels in the middle, so that strokes end inside of the margin."""


class Lenet5Spec(ImageTemplateSpec):
    """The convolutional network that read handwritten digits on cheques.

    Two convolutions, each followed by pooling, then three dense layers. Smaller images than the article's
    32x32, such as 28x28, get a margin of zeros in the first convolution. As in most of today's versions each
    filter of the second convolution sees all maps, pooling has no weights, and the output is a dense layer.
    """

    formula: ClassVar[str] = (
        r"C_6^{5\times5} \to S \to C_{16}^{5\times5} \to S \to D_{120} \to D_{84} \to D_{outputs}"
    )
    source: ClassVar[str] = (
        "LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition, "
        "section II.B"
    )

    kind: Literal["lenet5"] = "lenet5"
    input_shape: ImageShape = (28, 28, 1)
    activation: ActivationKind = Field(
        "tanh", description="The activation after each layer; the article's is a scaled tanh."
    )
    pooling: Literal["average", "max"] = Field(
        "average", description="How a square of 2x2 pixels becomes one; the article's averages."
    )

    def layers(self) -> Iterator[LayerSpec]:
        """Convolutions, pooling and dense layers."""
        activation = ACTIVATIONS[self.activation]
        pool = AveragePool2dSpec if self.pooling == "average" else MaxPool2dSpec
        yield Conv2dSpec(
            filters=6, kernel_size=5, padding="same" if min(self.input_shape[:2]) < FRAME else "valid"
        )
        yield from (activation(), pool(), Conv2dSpec(filters=16, kernel_size=5), activation(), pool())
        yield FlattenSpec()
        for units in (120, 84):
            yield from (DenseSpec(units=units), activation())
        yield DenseSpec()
