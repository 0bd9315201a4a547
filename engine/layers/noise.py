"""Noise that is there while training only: whole channels dropped, and random numbers added."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec, mask_values
from engine.spec import InvalidSpec


class SpatialDropoutSpec(LayerSpec):
    """Drops whole channels of an image or a series with probability `rate` and scales up the others.

    Neighbouring pixels tell the same, so that dropping single ones would take little away.
    """

    formula: ClassVar[str] = r"y_{pc} = \frac{m_c}{1 - p} x_{pc}, \quad m_c \sim \mathrm{Bernoulli}(1 - p)"
    source: ClassVar[str] = (
        "Tompson et al. 2015, Efficient object localization using convolutional networks, section 3.2"
    )

    kind: Literal["spatial_dropout"] = "spatial_dropout"
    rate: float = Field(0.5, ge=0, lt=1, description="The probability p that a channel is dropped.")

    def build(self, in_shape: Shape) -> "SpatialDropout":
        """Build for rows of two axes or more; raises `InvalidSpec` for others."""
        if len(in_shape) < 2:
            raise InvalidSpec(
                "spatial_dropout takes rows of two axes or more, the last of them channels, "
                f"but {list(in_shape)} comes in; dropout takes them"
            )
        return SpatialDropout(in_shape, self.rate)


class SpatialDropout(Layer):
    """y = m x / (1 - p) with one m a row and channel while training; y = x in evaluation and where p is 0."""

    def __init__(self, shape: Shape, rate: float) -> None:
        super().__init__(shape, shape)
        self._full_rate = self._rate = rate
        self._line: Shape = shape[
            -2:
        ]  # the last two axes: masks are laid out along them, to be multiplied in long runs

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
        """Allocate the output and the masks; `rng` draws the masks."""
        self._rng = rng
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._draws = np.empty((batch, self.out_shape[-1]), dtype)
        self._kept = np.empty(self._draws.shape, np.bool_)  # m
        self._mask = np.empty((batch, 1, *self._line), dtype)  # m / (1 - p), for one line of pixels
        self._scale = dtype.type(1 / (1 - self._rate))
        self._dropping = False

    def scale_dropout(self, factor: float) -> None:
        """p = factor times the spec's rate."""
        self._rate = self._full_rate * factor
        self._scale = self._y.dtype.type(1 / (1 - self._rate))

    def forward(self, x: Array, train: bool) -> Array:
        """y_pc = m_c x_pc / (1 - p), with new masks in every call."""
        self._dropping = train and self._rate > 0
        if not self._dropping:
            return x
        rows = len(x)
        draws, kept, mask = self._draws[:rows], self._kept[:rows], self._mask[:rows]
        self._rng.random(out=draws, dtype=draws.dtype)
        np.greater_equal(draws, self._rate, out=kept)
        np.multiply(kept, self._scale, out=draws)
        np.copyto(mask, draws[:, np.newaxis, np.newaxis])
        y = self._y[:rows]
        np.multiply(self._lines(x), mask, out=self._lines(y))
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx_pc = m_c / (1 - p) dC/dy_pc."""
        if self._dropping:
            lines = self._lines(dy)
            lines *= self._mask[: len(dy)]
        return dy

    def _lines(self, x: Array) -> Array:
        return x.reshape(len(x), -1, *self._line)

    def buffer_values(self) -> int:
        """The output, a line of masks, and a draw and a byte for each channel."""
        channels = self.out_shape[-1]
        return size(self.out_shape) + size(self._line) + channels + mask_values(channels)


class GaussianNoiseSpec(LayerSpec):
    """Adds a random number to every value while training, so that the network does not rely on any exactly."""

    formula: ClassVar[str] = r"y_i = x_i + \epsilon_i, \quad \epsilon_i \sim \mathcal{N}(0, \sigma^2)"
    source: ClassVar[str] = "Bishop 1995, Training with noise is equivalent to Tikhonov regularization"

    kind: Literal["gaussian_noise"] = "gaussian_noise"
    std: float = Field(0.1, ge=0, le=1e6, description="The standard deviation sigma of what is added.")

    def build(self, in_shape: Shape) -> "GaussianNoise":
        """Build for rows of any shape."""
        return GaussianNoise(in_shape, self.std)


class GaussianNoise(Layer):
    """y = x + epsilon while training; y = x, without a copy, in evaluation and where sigma is 0."""

    def __init__(self, shape: Shape, std: float) -> None:
        super().__init__(shape, shape)
        self._std = std

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
        """Allocate the output; `rng` draws the noise into it."""
        self._rng = rng
        self._y = np.empty((batch, *self.out_shape), dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """y_i = x_i + sigma z_i with z_i from N(0, 1)."""
        if not (train and self._std > 0):
            return x
        y = self._y[: len(x)]
        self._rng.standard_normal(out=y, dtype=y.dtype)
        y *= self._std
        y += x
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx_i = dC/dy_i."""
        return dy

    def buffer_values(self) -> int:
        """The output."""
        return size(self.out_shape)
