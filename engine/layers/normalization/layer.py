"""Normalisations of each position by itself, over its channels: they do not depend on the other rows."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.normalization.base import Normalization, NormalizationSpec


class LayerNormalizationSpec(NormalizationSpec):
    """Gives the values along the last axis mean 0 and variance 1, then a learned scale and shift.

    Each position of each row is normalised by itself, in training and evaluation alike.
    """

    formula: ClassVar[str] = (
        r"y_c = \gamma_c \frac{x_c - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_c, \quad"
        r" \mu = \frac{1}{C} \sum_c x_c, \quad \sigma^2 = \frac{1}{C} \sum_c (x_c - \mu)^2"
    )
    source: ClassVar[str] = "Ba, Kiros & Hinton 2016, Layer normalization, eq. 3 and 4"

    kind: Literal["layer_normalization"] = "layer_normalization"

    def build(self, in_shape: Shape) -> "LayerNormalization":
        """Build for rows of any shape with at least one axis."""
        self.check(in_shape)
        return LayerNormalization(in_shape, self.epsilon)


class RmsNormalizationSpec(NormalizationSpec):
    """Divides the values along the last axis by their root mean square, then applies a learned scale.

    Layer normalisation without the mean: cheaper, and as good in many networks.
    """

    formula: ClassVar[str] = r"y_c = \gamma_c \frac{x_c}{\sqrt{\frac{1}{C} \sum_k x_k^2 + \epsilon}}"
    source: ClassVar[str] = "Zhang & Sennrich 2019, Root mean square layer normalization, eq. 4"

    kind: Literal["rms_normalization"] = "rms_normalization"

    def build(self, in_shape: Shape) -> "RmsNormalization":
        """Build for rows of any shape with at least one axis."""
        self.check(in_shape)
        return RmsNormalization(in_shape, self.epsilon)


class LayerNormalization(Normalization):
    """y = gamma x^ + beta with x^ = (x - mean) / sqrt(variance + epsilon) over the last axis."""

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
        """Allocate also x^ and two numbers for each position."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        positions = batch * size(self.out_shape[:-1])
        self._normalized = np.empty_like(self._y)
        self._mean, self._inverse = np.empty(positions, dtype), np.empty(positions, dtype)
        self._channel_ones = np.ones(self.channels, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """x^ = (x - mean) / sqrt(variance + epsilon); y = gamma x^ + beta."""
        y, normalized = self._y[: len(x)], self._normalized[: len(x)]
        values, rows = x.reshape(-1, self.channels), normalized.reshape(-1, self.channels)
        mean, inverse = self._mean[: len(rows)], self._inverse[: len(rows)]
        if self.shifts:
            np.vecdot(values, self._channel_ones, out=mean)  # np.dot's bits would depend on a row's place
            mean /= self.channels
            np.subtract(values, mean[:, None], out=rows)
            values = rows
        np.vecdot(values, values, out=inverse)
        inverse /= self.channels
        inverse += self.epsilon
        np.sqrt(inverse, out=inverse)
        np.reciprocal(inverse, out=inverse)
        np.multiply(values, inverse[:, None], out=rows)
        blocks = self.blocks(y)
        np.multiply(self.blocks(normalized), self.repeated(self._gamma[None]), out=blocks)
        if self.shifts:
            blocks += self.repeated(self._beta[None])
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx = (g - mean(g) - x^ mean(g x^)) / sqrt(variance + epsilon) with g = gamma dC/dy."""
        normalized, t = self._normalized[: len(dy)], self._t[: len(dy)]
        np.multiply(dy, normalized, out=t)
        self.channel_sums(self.blocks(t), self._dgamma[None])
        if self.shifts:
            self.channel_sums(self.blocks(dy), self._dbeta[None])
        if not self.input_gradient:
            return dy
        g, hats, products = (a.reshape(-1, self.channels) for a in (dy, normalized, t))
        mean, inverse = self._mean[: len(g)], self._inverse[: len(g)]
        blocks = self.blocks(dy)
        blocks *= self.repeated(self._gamma[None])
        if self.shifts:
            np.dot(g, self._channel_ones, out=mean)
            mean /= self.channels
            g -= mean[:, None]
        np.dot(products, self._gamma, out=mean)
        mean /= self.channels
        np.multiply(hats, mean[:, None], out=products)
        g -= products
        g *= inverse[:, None]
        return dy

    def buffer_values(self) -> int:
        """Also x^ and two numbers for each position."""
        return super().buffer_values() + size(self.out_shape) + 2 * size(self.out_shape[:-1])

    def fixed_values(self) -> int:
        """Also the ones that sum the channels."""
        return super().fixed_values() + self.channels


class RmsNormalization(LayerNormalization):
    """The same with a mean of 0 and without beta: y = gamma x / sqrt(mean(x^2) + epsilon)."""

    shifts = False
