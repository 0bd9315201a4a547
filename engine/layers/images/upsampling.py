"""Upsampling: an image or a series becomes larger by a whole factor."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.axes import check_images, check_series
from engine.layers.base import Layer, LayerSpec
from engine.layers.images.interpolation import LinearInterpolation
from engine.layers.images.pixels import pixels
from engine.layers.images.sliding import Pair, Side


class Upsampling2dSpec(LayerSpec):
    """Makes an image larger: each pixel becomes a block of pixels, copied or interpolated."""

    formula: ClassVar[str] = (
        r"y_{ijc} = \begin{cases} x_{\lfloor i/f \rfloor, \lfloor j/g \rfloor, c} & \text{nearest} "
        r"\\ x(\tfrac{i + 1/2}{f} - \tfrac{1}{2}, \tfrac{j + 1/2}{g} - \tfrac{1}{2}, c) & \text{bilinear} \end{cases}"
    )
    source: ClassVar[str] = "Odena, Dumoulin & Olah 2016, Deconvolution and checkerboard artifacts"

    kind: Literal["upsampling2d"] = "upsampling2d"
    factor: Pair = Field((2, 2), description="How many times as high and as wide; one number: both.")
    interpolation: Literal["nearest", "bilinear"] = Field(
        "nearest",
        description="nearest: copies of the pixel; bilinear: in between pixels, those at the border reach on.",
    )

    def build(self, in_shape: Shape) -> Layer:
        """Build for images; raises `InvalidSpec` for other rows."""
        check_images(self.kind, in_shape)
        height, width, channels = in_shape
        out_shape = (height * self.factor[0], width * self.factor[1], channels)
        if self.interpolation == "bilinear":
            return BilinearUpsampling(in_shape, out_shape)
        return NearestUpsampling(in_shape, out_shape, in_shape, self.factor)


class Upsampling1dSpec(LayerSpec):
    """Makes a series longer: each step is repeated."""

    formula: ClassVar[str] = r"y_{tc} = x_{\lfloor t/f \rfloor, c}"
    source: ClassVar[str] = "Odena, Dumoulin & Olah 2016, Deconvolution and checkerboard artifacts"

    kind: Literal["upsampling1d"] = "upsampling1d"
    factor: Side = Field(2, description="How many times as long.")

    def build(self, in_shape: Shape) -> "NearestUpsampling":
        """Build for series; raises `InvalidSpec` for other rows."""
        check_series(self.kind, in_shape)
        steps, features = in_shape
        out_shape = (steps * self.factor, features)
        return NearestUpsampling(in_shape, out_shape, (1, steps, features), (1, self.factor))


class NearestUpsampling(Layer):
    """Copies each pixel along its row, then each row of pixels down the image."""

    def __init__(self, in_shape: Shape, out_shape: Shape, image: Shape, factor: tuple[int, int]) -> None:
        """`image`: what comes in, as (height, width, channels)."""
        super().__init__(in_shape, out_shape)
        height, width, channels = self._image = image
        self._down, self._along = factor
        self._wide: Shape = (height, width, self._along, channels)
        self._lines: Shape = (height, size(self._wide[1:]))
        self._tall: Shape = (height, self._down, self._lines[1])

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
        """Allocate y, dx, the image stretched in its width alone, and the gradients at one of its copies."""
        self._y = np.empty((batch, *self._tall), dtype)
        self._v = np.empty((batch, *self._wide), dtype)
        self._dx = np.empty((batch, *self._image), dtype)
        self._t = np.empty_like(self._dx)

    def forward(self, x: Array, train: bool) -> Array:
        """v = x, as often as the image becomes wider; y = v, as often as it becomes higher."""
        rows = len(x)
        y, v, x = self._y[:rows], self._v[:rows], x.reshape(rows, *self._image)
        for copy in range(self._along):
            np.copyto(pixels(v)[..., copy], pixels(x))
        lines = pixels(v.reshape(rows, *self._lines))
        for copy in range(self._down):
            np.copyto(pixels(y)[..., copy], lines)
        return y.reshape(rows, *self.out_shape)

    def backward(self, dy: Array) -> Array:
        """dv = the sum of dC/dy over the copies of a row; dC/dx = the sum of dv over those of a pixel."""
        rows = len(dy)
        dx, t, dv = self._dx[:rows], self._t[:rows], self._v[:rows]
        if self.input_gradient:
            dy, lines = dy.reshape(rows, *self._tall), dv.reshape(rows, *self._lines)
            np.copyto(lines, dy[:, :, 0])
            for copy in range(1, self._down):
                lines += dy[:, :, copy]
            dx.fill(0)
            for copy in range(self._along):
                np.copyto(pixels(t), pixels(dv)[..., copy])
                dx += t
        return dx.reshape(rows, *self.in_shape)

    def buffer_values(self) -> int:
        """Also the stretched image, and the gradients at one copy."""
        return super().buffer_values() + size(self._wide) + size(self._image)


class BilinearUpsampling(Layer):
    """Linear interpolation down the columns, then along the rows."""

    def __init__(self, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__(in_shape, out_shape)
        (height, width, channels), (tall, wide, _) = in_shape, out_shape
        self._vertical = LinearInterpolation(height, tall // height, width * channels)
        self._horizontal = LinearInterpolation(width, wide // width, channels)
        self._stretched: Shape = (tall, width, channels)

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
        """Allocate y, dx, and the image stretched in its height alone."""
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._v = np.empty((batch, *self._stretched), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._vertical.bind(batch, dtype)
        self._horizontal.bind(batch * self.out_shape[0], dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """v = x between its rows; y = v between its columns."""
        y, v = self._y[: len(x)], self._v[: len(x)]
        self._vertical.stretch(x, out=v)
        self._horizontal.stretch(v, out=y)
        return y

    def backward(self, dy: Array) -> Array:
        """The transposes of both, last one first."""
        dx, dv = self._dx[: len(dy)], self._v[: len(dy)]
        if self.input_gradient:
            self._horizontal.gather(dy, out=dv)
            self._vertical.gather(dv, out=dx)
        return dx

    def buffer_values(self) -> int:
        """Also the stretched image, and what the interpolations hold."""
        interpolations = self._vertical.buffer_values() + self.out_shape[0] * self._horizontal.buffer_values()
        return super().buffer_values() + size(self._stretched) + interpolations

    def multiply_adds(self) -> int:
        """One for each value that either interpolation makes."""
        return size(self._stretched) + size(self.out_shape)
