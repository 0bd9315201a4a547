"""Zero padding: a margin of zeros around an image, or before and after a series."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.layers.axes import check_images, check_series
from engine.layers.base import Layer, LayerSpec
from engine.layers.images.pixels import pixels
from engine.layers.images.sliding import Margins, Margins2d

SOURCE = "Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning, section 2"


class ZeroPadding2dSpec(LayerSpec):
    """Puts a margin of zeros around an image."""

    formula: ClassVar[str] = (
        r"y_{ijc} = \begin{cases} x_{i - t, j - l, c} & t \le i < t + H, l \le j < l + W "
        r"\\ 0 & \text{otherwise} \end{cases}"
    )
    source: ClassVar[str] = SOURCE

    kind: Literal["zero_padding2d"] = "zero_padding2d"
    padding: Margins2d = Field(
        ((1, 1), (1, 1)),
        description="Pixels [[top, bottom], [left, right]]; a pair: above and below, left and right; "
        "one number: on all sides.",
    )

    def build(self, in_shape: Shape) -> "ZeroPadding":
        """Build for images; raises `InvalidSpec` for other rows."""
        check_images(self.kind, in_shape)
        return ZeroPadding(in_shape, self.padding)


class ZeroPadding1dSpec(LayerSpec):
    """Puts steps of zeros before and after a series."""

    formula: ClassVar[str] = (
        r"y_{tc} = \begin{cases} x_{t - b, c} & b \le t < b + T \\ 0 & \text{otherwise} \end{cases}"
    )
    source: ClassVar[str] = SOURCE

    kind: Literal["zero_padding1d"] = "zero_padding1d"
    padding: Margins = Field((1, 1), description="Steps [before, after]; one number: both.")

    def build(self, in_shape: Shape) -> "ZeroPadding":
        """Build for series; raises `InvalidSpec` for other rows."""
        check_series(self.kind, in_shape)
        return ZeroPadding(in_shape, (self.padding,))


class ZeroPadding(Layer):
    """y is x with zeros before and after each axis but the last."""

    def __init__(self, in_shape: Shape, margins: tuple[tuple[int, int], ...]) -> None:
        sides = zip(in_shape, margins, strict=False)  # all axes but the channels
        super().__init__(
            in_shape, (*(before + side + after for side, (before, after) in sides), in_shape[-1])
        )
        self._inside = tuple(
            slice(before, before + side) for side, (before, _) in zip(in_shape, margins, strict=False)
        )

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        state: Mapping[str, Array],
        *,
        batch: int,
        dtype: np.dtype[np.floating],
        rng: np.random.Generator,
    ) -> None:
        """Allocate y, whose margins stay zero, and dx."""
        self._y = np.zeros((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """y = x inside of the margins."""
        y = self._y[: len(x)]
        np.copyto(pixels(y)[:, *self._inside], pixels(x))
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx = dC/dy inside of the margins."""
        dx = self._dx[: len(dy)]
        if self.input_gradient:
            np.copyto(pixels(dx), pixels(dy)[:, *self._inside])
        return dx
