"""Normalisations whose moments are taken over positions: what those of a batch and of a group share."""

from collections.abc import Mapping

import numpy as np

from engine.arrays import Array, size
from engine.layers.normalization.base import Normalization


class PositionNormalization(Normalization):
    """y = scale (x - mean) + beta with scale = gamma / sqrt(variance + epsilon), for each set and channel."""

    uses_own_moments = True
    """Whether the last `forward` took the moments of its own values."""

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
        """Allocate also x - mean and six numbers for each set and channel."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._centred = np.empty_like(self._y)
        sets = batch if self.row_sets else 1
        self._moments = np.empty((6, sets, self.channels), dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """y = gamma (x - mean) / sqrt(variance + epsilon) + beta."""
        y = self._y[: len(x)]
        values, centred, out = (self.blocks(a) for a in (x, self._centred[: len(x)], y))
        mean, variance, inverse, scale, *_ = self._moments[:, : len(values)]
        if self.uses_own_moments:
            self.average(values, mean)
        np.subtract(values, self.repeated(mean), out=centred)
        if self.uses_own_moments:
            np.square(centred, out=out)
            self.average(out, variance)
        np.add(variance, self.epsilon, out=inverse)
        np.sqrt(inverse, out=inverse)
        np.reciprocal(inverse, out=inverse)
        np.multiply(self._gamma, inverse, out=scale)
        np.multiply(centred, self.repeated(scale), out=out)
        out += self.repeated(self._beta[None])
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx = scale (dC/dy - mean(dC/dy) - x^ mean(x^ dC/dy)), x^ = (x - mean) / sqrt(variance + epsilon).

        The means are weighted by gamma where channels share a moment; where the moments are running ones,
        which do not depend on x, there are none.
        """
        g, centred, t = (self.blocks(a) for a in (dy, self._centred[: len(dy)], self._t[: len(dy)]))
        _, _, inverse, scale, sums, products = self._moments[:, : len(g)]
        self.channel_sums(g, sums)
        np.multiply(g, centred, out=t)
        self.channel_sums(t, products)
        products *= inverse
        np.add.reduce(sums, axis=0, out=self._dbeta)
        np.add.reduce(products, axis=0, out=self._dgamma)
        if not self.input_gradient:
            return dy
        g *= self.repeated(scale)
        if self.uses_own_moments:
            sums *= scale
            products *= scale
            self.share(sums, g)
            self.share(products, g)
            products *= inverse
            np.multiply(centred, self.repeated(products), out=t)
            g -= t
            g -= self.repeated(sums)
        return dy

    def average(self, blocks: Array, out: Array) -> None:
        """Fill `out` (sets, channels) with the means of `blocks` over all that shares a moment."""
        self.share(self.channel_sums(blocks, out), blocks)

    def share(self, sums: Array, blocks: Array) -> None:
        """Turn the sums (sets, channels) of `blocks` into means over all that shares a moment, in place."""
        sums /= blocks.shape[1] * self.run

    def buffer_values(self) -> int:
        """Also x - mean, and the moments where each row has its own."""
        return super().buffer_values() + size(self.out_shape) + 6 * self.channels * self.row_sets

    def fixed_values(self) -> int:
        """Also the moments where all rows share them."""
        return super().fixed_values() + 6 * self.channels * (not self.row_sets)
