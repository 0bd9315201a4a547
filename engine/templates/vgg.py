"""Networks in the manner of VGG."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from engine.layers import LayerSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.convolution.conv import Conv2dSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.pooling.pool import MaxPool2dSpec
from engine.templates.images import Filters, ImageShape, ImageTemplateSpec

Convolutions = Annotated[int, Field(ge=1, le=16)]


class VggSpec(ImageTemplateSpec):
    """Blocks of 3x3 convolutions, each ended by pooling that halves the image, then dense layers.

    VGG-16 is input_shape [224, 224, 3], filters [64, 128, 256, 512, 512], convolutions [2, 2, 3, 3, 3] and
    hidden [4096, 4096]: 138,357,544 parameters with 1000 outputs.
    """

    formula: ClassVar[str] = (
        r"[(C_{f_b}^{3\times3} \to \mathrm{ReLU})^{n_b} \to P]_{b=1}^{B} \to D_{hidden} \to D_{outputs}"
    )
    source: ClassVar[str] = (
        "Simonyan & Zisserman 2015, Very deep convolutional networks for large-scale image recognition, table 1"
    )

    kind: Literal["vgg"] = "vgg"
    input_shape: ImageShape = (32, 32, 3)
    filters: tuple[Filters, ...] = Field(
        (32, 64, 128), min_length=1, max_length=10, description="Filters of the convolutions of each block."
    )
    convolutions: tuple[Convolutions, ...] = Field(
        (2, 2, 2), min_length=1, max_length=10, description="Convolutions in each block."
    )
    hidden: tuple[PositiveInt, ...] = Field(
        (128,), max_length=10, description="Units of the hidden dense layers, first to last."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Rate of the dropout after each hidden dense layer.")

    @model_validator(mode="after")
    def _one_number_a_block(self) -> Self:
        if len(self.filters) != len(self.convolutions):
            raise ValueError(
                f"filters speaks of {len(self.filters)} blocks, convolutions of {len(self.convolutions)}"
            )
        return self

    def layers(self) -> Iterator[LayerSpec]:
        """The blocks, then the dense layers."""
        for filters, convolutions in zip(self.filters, self.convolutions, strict=True):
            for _ in range(convolutions):
                yield from (Conv2dSpec(filters=filters, kernel_size=3, padding="same"), ReluSpec())
            yield MaxPool2dSpec()
        yield FlattenSpec()
        for units in self.hidden:
            yield from (DenseSpec(units=units), ReluSpec())
            if self.dropout > 0:
                yield DropoutSpec(rate=self.dropout)
        yield DenseSpec()
