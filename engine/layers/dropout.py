"""Dropout, in the inverted form: all of the scaling is done while training."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec, mask_values


class DropoutSpec(LayerSpec):
    """Sets each value to 0 with probability `rate` and scales up the others, while training only."""

    formula: ClassVar[str] = r"y_i = \frac{m_i}{1 - p} x_i, \quad m_i \sim \mathrm{Bernoulli}(1 - p)"
    source: ClassVar[str] = (
        "Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting"
    )

    kind: Literal["dropout"] = "dropout"
    rate: float = Field(0.5, ge=0, lt=1, description="The probability p that a value is dropped.")

    def build(self, in_shape: Shape) -> "Dropout":
        """Build for rows of any shape."""
        return Dropout(in_shape, self.rate)


class Dropout(Layer):
    """y = m x / (1 - p) while training; y = x, without a copy, in evaluation and where p is 0."""

    def __init__(self, shape: Shape, rate: float) -> None:
        super().__init__(shape, shape)
        self._full_rate = self._rate = rate

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
        """Allocate the output and the mask; `rng` draws the masks."""
        self._rng = rng
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._mask = np.empty_like(self._y)  # m / (1 - p)
        self._kept = np.empty(self._y.shape, np.bool_)  # m
        self._scale = self._y.dtype.type(1 / (1 - self._rate))
        self._dropping = False

    def scale_dropout(self, factor: float) -> None:
        """p = factor times the spec's rate."""
        self._rate = self._full_rate * factor
        self._scale = self._y.dtype.type(1 / (1 - self._rate))

    def forward(self, x: Array, train: bool) -> Array:
        """y_i = m_i x_i / (1 - p), with a new mask in every call."""
        self._dropping = train and self._rate > 0
        if not self._dropping:
            return x
        y, mask, kept = self._y[: len(x)], self._mask[: len(x)], self._kept[: len(x)]
        self._rng.random(out=mask, dtype=mask.dtype)
        np.greater_equal(mask, self._rate, out=kept)
        np.multiply(kept, self._scale, out=mask)
        return np.multiply(x, mask, out=y)

    def backward(self, dy: Array) -> Array:
        """dC/dx_i = m_i / (1 - p) dC/dy_i."""
        if self._dropping:
            dy *= self._mask[: len(dy)]
        return dy

    def buffer_values(self) -> int:
        """The output, the mask, and what is kept in bytes."""
        return 2 * size(self.out_shape) + mask_values(size(self.out_shape))
