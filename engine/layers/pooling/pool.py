"""Pooling: each window of an image or a series becomes one pixel, channel by channel."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.axes import check_images, check_series
from engine.layers.base import Layer, LayerSpec, mask_values
from engine.layers.images.pixels import pixels
from engine.layers.images.sliding import Axis, Pair, Rule, Side
from engine.layers.pooling.windows import Place, PoolingWindows
from engine.spec import InvalidSpec

PADDING = (
    "valid: only windows within the input; same: as many outputs as input / stride, rounded up, with windows "
    "over the border that see only what is there."
)


class Pooling2dSpec(LayerSpec):
    """What pooling over images has in common."""

    pool_size: Pair = Field((2, 2), description="Height and width of a window; one number: both.")
    stride: Pair | None = Field(
        None, description="Pixels from window to window, down and to the right; left out: the pool_size."
    )
    padding: Rule = Field("valid", description=PADDING)

    def windows(self, in_shape: Shape) -> PoolingWindows:
        """The windows over images of `in_shape`; raises `InvalidSpec` where there are none."""
        check_images(self.kind, in_shape)
        vertical, horizontal = (
            windows_along(*axis, self.padding)
            for axis in zip(in_shape[:2], self.pool_size, self.stride or self.pool_size, strict=True)
        )
        return PoolingWindows(vertical, horizontal, in_shape[2])


class Pooling1dSpec(LayerSpec):
    """What pooling over series has in common."""

    pool_size: Side = Field(2, description="Steps of a window.")
    stride: Side | None = Field(None, description="Steps from window to window; left out: the pool_size.")
    padding: Rule = Field("valid", description=PADDING)

    def windows(self, in_shape: Shape) -> PoolingWindows:
        """The windows over series of `in_shape`, taken as images of one column.

        Raises `InvalidSpec` where there are none.
        """
        check_series(self.kind, in_shape)
        steps, features = in_shape
        windows = windows_along(steps, self.pool_size, self.stride or self.pool_size, self.padding)
        return PoolingWindows(windows, Axis(size=1, kernel=1), features)


def windows_along(length: int, pool_size: int, stride: int, padding: Rule) -> Axis:
    """The windows along one axis; raises `InvalidSpec` where not even one fits in."""
    try:
        return Axis.padded(length, pool_size, stride, 1, padding)
    except InvalidSpec:
        raise InvalidSpec(
            f"a window of {pool_size} does not fit into an axis of {length}: make it smaller, "
            'or the padding "same"',
            ("pool_size",),
        ) from None


class MaxPool2dSpec(Pooling2dSpec):
    """Keeps the largest value of each window of an image: what was found, not exactly where."""

    formula: ClassVar[str] = r"y_{ijc} = \max_{a < h, b < w} x_{si + a, tj + b, c}"
    source: ClassVar[str] = "Zhou & Chellappa 1988, Computation of optical flow using a neural network"

    kind: Literal["max_pool2d"] = "max_pool2d"

    def build(self, in_shape: Shape) -> "MaxPooling":
        """Build for images; raises `InvalidSpec` for other rows and for windows that do not fit in."""
        windows = self.windows(in_shape)
        return MaxPooling(in_shape, windows.out_shape, windows)


class AveragePool2dSpec(Pooling2dSpec):
    """Keeps the mean of each window of an image; over the border, the mean of what is there."""

    formula: ClassVar[str] = r"y_{ijc} = \frac{1}{hw} \sum_{a < h, b < w} x_{si + a, tj + b, c}"
    source: ClassVar[str] = "LeCun et al. 1990, Handwritten digit recognition with a back-propagation network"

    kind: Literal["average_pool2d"] = "average_pool2d"

    def build(self, in_shape: Shape) -> "AveragePooling":
        """Build for images; raises `InvalidSpec` for other rows and for windows that do not fit in."""
        windows = self.windows(in_shape)
        return AveragePooling(in_shape, windows.out_shape, windows)


class MaxPool1dSpec(Pooling1dSpec):
    """Keeps the largest value of each window of a series, feature by feature."""

    formula: ClassVar[str] = r"y_{ic} = \max_{a < h} x_{si + a, c}"
    source: ClassVar[str] = (
        "Yamaguchi et al. 1990, A neural network for speaker-independent isolated word recognition"
    )

    kind: Literal["max_pool1d"] = "max_pool1d"

    def build(self, in_shape: Shape) -> "MaxPooling":
        """Build for series; raises `InvalidSpec` for other rows and for windows that do not fit in."""
        windows = self.windows(in_shape)
        return MaxPooling(in_shape, windows.out_shape[::2], windows)


class AveragePool1dSpec(Pooling1dSpec):
    """Keeps the mean of each window of a series, feature by feature."""

    formula: ClassVar[str] = r"y_{ic} = \frac{1}{h} \sum_{a < h} x_{si + a, c}"
    source: ClassVar[str] = (
        "LeCun et al. 1990, Handwritten digit recognition with a back-propagation network, along one axis"
    )

    kind: Literal["average_pool1d"] = "average_pool1d"

    def build(self, in_shape: Shape) -> "AveragePooling":
        """Build for series; raises `InvalidSpec` for other rows and for windows that do not fit in."""
        windows = self.windows(in_shape)
        return AveragePooling(in_shape, windows.out_shape[::2], windows)


class Pooling(Layer):
    """Goes through the places of its windows: all windows at once, one place after the other."""

    def __init__(self, in_shape: Shape, out_shape: Shape, windows: PoolingWindows) -> None:
        super().__init__(in_shape, out_shape)
        self.windows = windows

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
        """Allocate y, dx, the pixels at one place, and where windows overlap their sum."""
        self.places = self.windows.places()
        self._y = np.empty((batch, *self.windows.out_shape), dtype)
        self._dx = np.empty((batch, *self.windows.in_shape), dtype)
        self._t = np.empty_like(self._y)
        if self.windows.overlapping:
            self._sum = np.zeros_like(self._y)

    def buffer_values(self) -> int:
        """What `bind` allocates."""
        return super().buffer_values() + (1 + self.windows.overlapping) * size(self.out_shape)

    def gather(self, x: Array, place: Place, margin: float, out: Array) -> Array:
        """Fill `out` with the pixels at `place`, or with `margin` where that lies outside of the image."""
        if not place.everywhere:
            out.fill(margin)
        np.copyto(pixels(out)[:, *place.windows], pixels(x)[:, *place.inside])
        return out

    def scatter(self, t: Array, place: Place, dx: Array) -> None:
        """Add `t` to the pixels of `dx` at `place`, to which `fresh` places are the first to add."""
        target = pixels(dx)[:, *place.inside]
        if not place.fresh:
            total = self._sum[: len(t)]
            np.copyto(pixels(total)[:, *place.windows], target)
            t = np.add(total, t, out=total)
        np.copyto(target, pixels(t)[:, *place.windows])

    def backward(self, dy: Array) -> Array:
        """dC/dx is what `spread` makes of dC/dy, and 0 where no window looks."""
        rows = len(dy)
        dx = self._dx[:rows]
        if self.input_gradient:
            if not self.windows.covering:
                dx.fill(0)
            self.spread(dy.reshape(rows, *self.windows.out_shape), dx)
        return dx.reshape(rows, *self.in_shape)

    def spread(self, dy: Array, dx: Array) -> None:
        """Scatter to `dx` (rows, height, width, channels) what each place has of the gradient `dy`."""
        raise NotImplementedError


class MaxPooling(Pooling):
    """y = max of the window; its gradient goes to the first of the largest values, row by row."""

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
        """Allocate also the number of the place where each maximum is, and a mask."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._winner = np.empty(self._y.shape, np.min_scalar_type(self.windows.size - 1))
        self._challenger = np.empty_like(self._winner)
        self._mask = np.empty(self._y.shape, np.bool_)
        self._numbers = np.arange(len(self.places)).astype(self._winner.dtype)

    def buffer_values(self) -> int:
        """Also the two numbers of places and the mask."""
        values = size(self.out_shape)
        number = np.min_scalar_type(self.windows.size - 1).itemsize
        return super().buffer_values() + mask_values(2 * number * values) + mask_values(values)

    def forward(self, x: Array, train: bool) -> Array:
        """y = max over the places; the last place that is larger than all before it is the winner."""
        rows = len(x)
        self._x, self._located = x, train and self.input_gradient
        y, t, mask = self._y[:rows], self._t[:rows], self._mask[:rows]
        winner, challenger = self._winner[:rows], self._challenger[:rows]
        x = x.reshape(rows, *self.windows.in_shape)
        self.gather(x, self.places[0], -np.inf, y)
        winner.fill(0)
        for place, number in zip(self.places[1:], self._numbers[1:], strict=True):
            self.gather(x, place, -np.inf, t)
            if self._located:
                np.greater(t, y, out=mask)
                np.multiply(mask, number, out=challenger)
                np.maximum(winner, challenger, out=winner)  # numbers only grow
            np.maximum(y, t, out=y)
        return y.reshape(rows, *self.out_shape)

    def spread(self, dy: Array, dx: Array) -> None:
        """dC/dx = dC/dy where x is the winner of its window, summed over windows; else 0."""
        if not self._located:
            self.forward(self._x, train=True)
        t, winner, mask = self._t[: len(dy)], self._winner[: len(dy)], self._mask[: len(dy)]
        for place, number in zip(self.places, self._numbers, strict=True):
            np.equal(winner, number, out=mask)
            np.multiply(dy, mask, out=t)
            self.scatter(t, place, dx)


class AveragePooling(Pooling):
    """y = mean of what the window sees."""

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
        """Allocate also the share of each value in the mean of its window."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        seen = np.zeros(self.windows.out_shape, dtype)
        for place in self.places:
            seen[place.windows] += 1
        self._share = np.reciprocal(seen, out=seen)

    def fixed_values(self) -> int:
        """The shares."""
        return size(self.out_shape)

    def forward(self, x: Array, train: bool) -> Array:
        """y = 1/n sum over the places."""
        rows = len(x)
        x, y, t = x.reshape(rows, *self.windows.in_shape), self._y[:rows], self._t[:rows]
        self.gather(x, self.places[0], 0, y)
        for place in self.places[1:]:
            y += self.gather(x, place, 0, t)
        y *= self._share
        return y.reshape(rows, *self.out_shape)

    def spread(self, dy: Array, dx: Array) -> None:
        """dC/dx = 1/n dC/dy, summed over the windows that x is in."""
        dy *= self._share
        for place in self.places:
            self.scatter(dy, place, dx)

    def multiply_adds(self) -> int:
        """One for each value of each window."""
        return self.windows.size * size(self.out_shape)
