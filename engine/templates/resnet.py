"""A small residual network."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from engine.layers import LayerSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.combinators import ResidualSpec
from engine.layers.convolution.conv import Conv2dSpec
from engine.layers.dense import DenseSpec
from engine.layers.normalization.batch import BatchNormalizationSpec
from engine.layers.pooling.whole import GlobalAveragePoolSpec
from engine.templates.images import ImageShape, ImageTemplateSpec


class ResnetSmallSpec(ImageTemplateSpec):
    """Residual blocks in three stages, each with half the side and twice the filters of the one before.

    With 3 blocks a stage it has 20 layers with weights, the article's smallest for 32x32 images. Where the
    shape changes, the shortcut is a 1x1 convolution with a stride of 2 (option B of the article).
    """

    formula: ClassVar[str] = (
        r"y = \mathrm{ReLU}(F(x) + S(x)), \quad F = N \circ C^{3\times3} \circ \mathrm{ReLU} \circ N \circ C^{3\times3}"
    )
    source: ClassVar[str] = (
        "He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition, section 4.2"
    )

    kind: Literal["resnet_small"] = "resnet_small"
    input_shape: ImageShape = (32, 32, 3)
    blocks: int = Field(3, ge=1, le=100, description="Residual blocks in each of the three stages, n.")
    filters: int = Field(
        16,
        ge=1,
        le=16_384,
        description="Filters of the first stage; the next ones have twice and four times.",
    )

    def layers(self) -> Iterator[LayerSpec]:
        """A convolution, the stages, the mean over the image, and a dense layer."""
        yield from (*_convolution(self.filters, 3), ReluSpec())
        for stage in range(3):
            for block in range(self.blocks):
                yield from _block(self.filters * 2**stage, shrinks=stage > 0 and block == 0)
        yield from (GlobalAveragePoolSpec(), DenseSpec())


def _block(filters: int, *, shrinks: bool) -> tuple[LayerSpec, ...]:
    stride = 2 if shrinks else 1
    body = (*_convolution(filters, 3, stride), ReluSpec(), *_convolution(filters, 3))
    return ResidualSpec(layers=body, shortcut=_convolution(filters, 1, stride) if shrinks else ()), ReluSpec()


def _convolution(filters: int, kernel: int, stride: int = 1) -> tuple[LayerSpec, ...]:
    """A convolution and its batch normalisation, whose shift makes a bias needless."""
    convolution = Conv2dSpec(filters=filters, kernel_size=kernel, stride=stride, padding="same", bias=False)
    return convolution, BatchNormalizationSpec()
