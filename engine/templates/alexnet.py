"""AlexNet, in one tower or two."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from engine.layers import LayerSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.convolution.conv import Conv2dSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.images.upsampling import Upsampling2dSpec
from engine.layers.normalization.local_response import LocalResponseNormalizationSpec
from engine.layers.pooling.pool import MaxPool2dSpec
from engine.templates.images import ImageShape, ImageTemplateSpec


class AlexnetSpec(ImageTemplateSpec):
    """The network that won ImageNet 2012: five convolutions and three dense layers.

    With 1000 outputs and groups 1 it has 62,378,344 parameters, with groups 2, the article's two graphics
    cards, 60,965,224. Images of 227x227 are what its own arithmetic needs (the article says 224); those
    below 67x67 are too small, unless `upscale` makes them larger. The weights start by He's rule, which came
    later and also suits small widths.
    """

    formula: ClassVar[str] = (
        r"C_{96}^{11\times11/4} \to N \to P \to C_{256}^{5\times5} \to N \to P \to C_{384}^{3\times3} \to "
        r"C_{384}^{3\times3} \to C_{256}^{3\times3} \to P \to D_{4096} \to D_{4096} \to D_{outputs}"
    )
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks"
    )

    kind: Literal["alexnet"] = "alexnet"
    input_shape: ImageShape = (227, 227, 3)
    groups: int = Field(
        1,
        ge=1,
        le=2,
        description="2: convolutions 2, 4 and 5 see only their own half of the maps, as on two cards.",
    )
    width: float = Field(
        1.0, gt=0, le=4, description="Factor on the filters and hidden units: 0.125 makes a small one."
    )
    upscale: int = Field(
        1, ge=1, le=256, description="Each pixel becomes a square of so many by so many, for small images."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Rate of the dropout before each hidden dense layer.")

    def layers(self) -> Iterator[LayerSpec]:
        """Convolutions with their normalisation and pooling, then the dense layers."""
        if self.upscale > 1:
            yield Upsampling2dSpec(factor=self.upscale)
        yield Conv2dSpec(filters=self._scaled(96), kernel_size=11, stride=4)
        yield from self._normalised_and_pooled()
        yield Conv2dSpec(filters=self._scaled(256), kernel_size=5, padding="same", groups=self.groups)
        yield from self._normalised_and_pooled()
        for filters, groups in ((384, 1), (384, self.groups), (256, self.groups)):
            yield Conv2dSpec(filters=self._scaled(filters), kernel_size=3, padding="same", groups=groups)
            yield ReluSpec()
        yield from (MaxPool2dSpec(pool_size=3, stride=2), FlattenSpec())
        for _ in range(2):
            if self.dropout > 0:
                yield DropoutSpec(rate=self.dropout)
            yield from (DenseSpec(units=self._scaled(4096)), ReluSpec())
        yield DenseSpec()

    @staticmethod
    def _normalised_and_pooled() -> tuple[LayerSpec, ...]:
        """Pooling windows of 3 in steps of 2 overlap."""
        return ReluSpec(), LocalResponseNormalizationSpec(), MaxPool2dSpec(pool_size=3, stride=2)

    def _scaled(self, filters: int) -> int:
        """So many times `width`, in whole groups."""
        return self.groups * max(round(filters * self.width / self.groups), 1)
