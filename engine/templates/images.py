"""What templates for images have in common."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.layers import LayerSpec
from engine.layers.reshape import ReshapeSpec
from engine.network import NetworkSpec
from engine.templates.base import TemplateSpec

Side = Annotated[int, Field(ge=1, le=65_536)]
"""Of an image or a series."""
Filters = Annotated[int, Field(ge=1, le=65_536)]
"""Of a convolution."""


ImageShape = Annotated[
    tuple[Side, ...],
    Field(
        min_length=3,
        max_length=3,
        description="Height, width and channels of an image; a row may hold them as flat columns, the "
        "channels fastest, then the width.",
    ),
]


class ImageTemplateSpec(TemplateSpec):
    """A spec that writes out a network for images, given as they are or as flat rows."""

    input_shape: ImageShape = (28, 28, 1)

    def build(self) -> NetworkSpec:
        """A reshape to the image, then the layers."""
        return NetworkSpec(layers=(ReshapeSpec(shape=self.input_shape), *self.layers()))

    def layers(self) -> Iterator[LayerSpec]:
        """The layers after the reshape."""
        raise NotImplementedError
