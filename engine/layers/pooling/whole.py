"""Global pooling: all positions of an image or a series become one, channel by channel."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec, mask_values
from engine.spec import InvalidSpec


class GlobalPoolingSpec(LayerSpec):
    """What global pooling has in common."""

    def check(self, in_shape: Shape) -> None:
        """Raise `InvalidSpec` where there are no positions beside the channels."""
        if len(in_shape) < 2:
            raise InvalidSpec(
                f"{self.kind} takes rows of two axes or more, the last of them channels, "
                f"but {list(in_shape)} comes in"
            )


class GlobalMaxPoolSpec(GlobalPoolingSpec):
    """Keeps the largest value of each channel, over all positions of an image or a series."""

    formula: ClassVar[str] = r"y_c = \max_p x_{pc}"
    source: ClassVar[str] = "Oquab et al. 2015, Is object localization for free?, section 3"

    kind: Literal["global_max_pool"] = "global_max_pool"

    def build(self, in_shape: Shape) -> "GlobalMaxPool":
        """Build for rows of two axes or more; raises `InvalidSpec` for others."""
        self.check(in_shape)
        return GlobalMaxPool(in_shape)


class GlobalAveragePoolSpec(GlobalPoolingSpec):
    """Keeps the mean of each channel, over all positions of an image or a series."""

    formula: ClassVar[str] = r"y_c = \frac{1}{P} \sum_p x_{pc}"
    source: ClassVar[str] = "Lin, Chen & Yan 2014, Network in network, section 3.2"

    kind: Literal["global_average_pool"] = "global_average_pool"

    def build(self, in_shape: Shape) -> "GlobalAveragePool":
        """Build for rows of two axes or more; raises `InvalidSpec` for others."""
        self.check(in_shape)
        return GlobalAveragePool(in_shape)


class GlobalPooling(Layer):
    """Sees rows as (positions, channels)."""

    def __init__(self, in_shape: Shape) -> None:
        super().__init__(in_shape, in_shape[-1:])
        self.positions = size(in_shape[:-1])

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
        """Allocate y and dx."""
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, self.positions, *self.out_shape), dtype)


class GlobalMaxPool(GlobalPooling):
    """y = max over all positions; its gradient goes to the first of the largest values."""

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
        """Allocate also a mask, a rank for each position, and the highest rank in each channel."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._mask = np.empty(self._dx.shape, np.bool_)
        self._rank = np.arange(self.positions, 0, -1, dtype=dtype)[:, np.newaxis]
        self._highest = np.empty_like(self._y)

    def buffer_values(self) -> int:
        """Also the mask and the highest ranks."""
        return super().buffer_values() + mask_values(size(self.in_shape)) + size(self.out_shape)

    def fixed_values(self) -> int:
        """The ranks."""
        return self.positions

    def forward(self, x: Array, train: bool) -> Array:
        """y_c = max_p x_pc."""
        self._x = x.reshape(len(x), self.positions, *self.out_shape)
        return np.maximum.reduce(self._x, axis=1, out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """dC/dx_pc = dC/dy_c at the first p with x_pc = y_c, the one of the highest rank there; else 0."""
        rows = len(dy)
        dx = self._dx[:rows]
        if self.input_gradient:
            mask, highest = self._mask[:rows], self._highest[:rows]
            np.equal(self._x, self._y[:rows, np.newaxis], out=mask)
            np.multiply(mask, self._rank, out=dx)
            np.maximum.reduce(dx, axis=1, out=highest)
            np.equal(dx, highest[:, np.newaxis], out=mask)
            np.multiply(mask, dy[:, np.newaxis], out=dx)
        return dx.reshape(rows, *self.in_shape)


class GlobalAveragePool(GlobalPooling):
    """y = mean over all positions."""

    def forward(self, x: Array, train: bool) -> Array:
        """y_c = 1/P sum_p x_pc."""
        y = self._y[: len(x)]
        np.add.reduce(x.reshape(len(x), self.positions, *self.out_shape), axis=1, out=y)
        y /= self.positions
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx_pc = 1/P dC/dy_c."""
        dx = self._dx[: len(dy)]
        if self.input_gradient:
            dy /= self.positions
            np.copyto(dx, dy[:, np.newaxis])
        return dx.reshape(len(dy), *self.in_shape)

    def multiply_adds(self) -> int:
        """One for each value."""
        return size(self.in_shape)
