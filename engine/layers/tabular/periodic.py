"""What the periodic embeddings of numerical features have in common: waves along a feature, and their sums.

Rows of n numbers become rows of n d numbers, those of one feature side by side; every feature has parameters
of its own. One np.matmul serves all features: (rows, n, d), seen as (n, rows, d), goes to BLAS without a copy.
"""

from collections.abc import Mapping
from math import pi, sqrt

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec


class PeriodicSpec(LayerSpec):
    """A spec of waves along each feature and of their weighted sums."""

    frequencies: int = Field(16, ge=1, le=4096, description="Number of waves a feature.")
    units: int = Field(3, ge=1, le=4096, description="Number of weighted sums a feature.")
    sigma: float = Field(0.1, gt=0, le=1e3, description="Deviation of the frequencies w1 at the start.")

    def features(self, in_shape: Shape) -> int:
        """The number of features; raises `InvalidSpec` for rows that are not of one axis."""
        if len(in_shape) != 1:
            raise InvalidSpec(f"{self.kind} takes rows of one axis, features, but {list(in_shape)} comes in")
        return in_shape[0]


class PeriodicEmbedding(Layer):
    """Waves z of each feature and their sums z W2 + b2; the subclass makes the waves, of one curve or several."""

    def __init__(self, spec: PeriodicSpec, features: int, curves: int, width: int) -> None:
        """`curves`: waves of each frequency; `width`: the numbers that a feature becomes."""
        super().__init__((features,), (features * width,))
        self.spec = spec
        self._curves = curves
        self.param_shapes = {
            "w1": (features, spec.frequencies),
            "W2": (features, curves * spec.frequencies, spec.units),
            "b2": (features, spec.units),
        }

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
        """Allocate 2 pi w1, z and dz by curve, each curve's sums, y, dx, and the ones that sum over the rows."""
        self._params, self._grads = params, grads
        features, frequencies = params["w1"].shape
        self._turns = np.empty_like(params["w1"])
        self._W2, self._dW2 = (
            array["W2"].reshape(features, self._curves, frequencies, -1).swapaxes(0, 1)
            for array in (params, grads)
        )  # (curves, features, frequencies, units)
        self._z = np.empty((self._curves, batch, features, frequencies), dtype)
        self._dz = np.empty_like(self._z)
        self._sums = np.empty((self._curves, batch, *params["b2"].shape), dtype)
        self._y = np.empty((batch, features, self.out_shape[0] // features), dtype)
        self._dx = np.empty((batch, features), dtype)
        self._ones = np.ones((1, batch), dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """w1 ~ N(0, sigma^2); W2, b2 ~ U(-r, r), r = 1 / sqrt(waves)."""
        self._params["w1"][:] = rng.normal(0.0, self.spec.sigma, self._params["w1"].shape)
        r = 1 / sqrt(self._curves * self.spec.frequencies)
        for name in ("W2", "b2"):
            self._params[name][:] = rng.uniform(-r, r, self._params[name].shape)

    def angles(self, x: Array, out: Array) -> None:
        """Fill `out` (rows, features, frequencies) with 2 pi w1 x."""
        np.multiply(self._params["w1"], 2 * pi, out=self._turns)
        np.multiply(x[:, :, None], self._turns, out=out)

    def sums(self, z: Array, out: Array) -> None:
        """Fill `out` (rows, features, units) with z W2 + b2, for z (curves, rows, features, frequencies)."""
        sums = self._sums[:, : len(out)]
        np.matmul(z.swapaxes(1, 2), self._W2, out=sums.swapaxes(1, 2))
        np.add(sums[0], self._params["b2"], out=out)
        for of_a_curve in sums[1:]:
            out += of_a_curve

    def sums_backward(self, z: Array, d_sums: Array) -> Array:
        """dW2 = sum_rows z^T d_sums; db2 = sum_rows d_sums; dC/dz = d_sums W2^T, which is returned."""
        by_feature, dz = d_sums.swapaxes(0, 1), self._dz[:, : len(d_sums)]
        np.matmul(z.transpose(0, 2, 3, 1), by_feature, out=self._dW2)
        np.matmul(self._ones[:, : len(d_sums)], by_feature, out=self._grads["b2"][:, None])
        np.matmul(by_feature, self._W2.swapaxes(2, 3), out=dz.swapaxes(1, 2))
        return dz

    def angles_backward(self, x: Array, d_angles: Array) -> Array:
        """dw1 = 2 pi sum_rows x d_angles; dC/dx = 2 pi sum w1 d_angles, which is returned."""
        dw1, dx = self._grads["w1"], self._dx[: len(x)]
        np.matmul(x.T[:, None], d_angles.swapaxes(0, 1), out=dw1[:, None])
        dw1 *= 2 * pi
        if self.input_gradient:
            np.vecdot(d_angles, self._turns, out=dx)
        return dx

    def buffer_values(self) -> int:
        """z and dz, the sums by curve, y and dx, and the row of ones."""
        waves, sums = size(self.param_shapes["w1"]), size(self.param_shapes["b2"])
        return super().buffer_values() + self._curves * (2 * waves + sums) + 1

    def fixed_values(self) -> int:
        """2 pi w1."""
        return size(self.param_shapes["w1"])

    def multiply_adds(self) -> int:
        """The angles and the sums; a sine counts nothing."""
        return size(self.param_shapes["w1"]) + size(self.param_shapes["W2"])
