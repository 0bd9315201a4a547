"""Periodic embeddings of numerical features: each number becomes several that a network can tell apart."""

from collections.abc import Mapping
from math import pi
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import mask_values
from engine.layers.tabular.periodic import PeriodicEmbedding, PeriodicSpec


class PbldSpec(PeriodicSpec):
    """Gives each feature a few weighted sums of waves along it, and keeps the feature itself beside them.

    Short for periodic, bias, linear, dense: the waves have phases that are learned too.
    """

    formula: ClassVar[str] = (
        r"y = [z W_2 + b_2, \ x], \quad z = \cos(2 \pi w_1 x + b_1), \quad \text{for each feature } x"
    )
    source: ClassVar[str] = (
        "Holzmüller, Grinsztajn & Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees "
        "on tabular data, section 3"
    )

    kind: Literal["pbld"] = "pbld"
    units: int = Field(
        3, ge=1, le=4096, description="Number of weighted sums a feature, which becomes `units` + 1 numbers."
    )

    def build(self, in_shape: Shape) -> "Pbld":
        """Build for rows of one axis."""
        return Pbld(self, self.features(in_shape))


class PlrSpec(PeriodicSpec):
    """Turns each feature into weighted sums of the sines and cosines of waves along it, cut off at 0.

    Short for periodic, linear, ReLU.
    """

    formula: ClassVar[str] = (
        r"y = \max(0, z W_2 + b_2), \quad z = [\sin(2 \pi w_1 x), \cos(2 \pi w_1 x)],"
        r" \quad \text{for each feature } x"
    )
    source: ClassVar[str] = (
        "Gorishniy, Rubachev & Babenko 2022, On embeddings for numerical features in tabular deep learning, "
        "section 3.3"
    )

    kind: Literal["plr"] = "plr"
    frequencies: int = Field(48, ge=1, le=4096, description="Number of waves a feature.")
    units: int = Field(24, ge=1, le=4096, description="Numbers that a feature becomes.")
    sigma: float = Field(0.01, gt=0, le=1e3, description="Deviation of the frequencies w1 at the start.")

    def build(self, in_shape: Shape) -> "Plr":
        """Build for rows of one axis."""
        return Plr(self, self.features(in_shape))


class Pbld(PeriodicEmbedding):
    """y = [z W2 + b2, x] with z = cos(2 pi w1 x + b1)."""

    decayed = frozenset({"w1", "W2"})  # the source decays all but biases

    def __init__(self, spec: PbldSpec, features: int) -> None:
        super().__init__(spec, features, curves=1, width=spec.units + 1)
        self.param_shapes = {**self.param_shapes, "b1": (features, spec.frequencies)}

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
        """Allocate also the angles and their sines."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._angles, self._sines = np.empty_like(self._z[0]), np.empty_like(self._z[0])

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Also b1 ~ U(-pi, pi)."""
        super().init(rng, x)
        self._params["b1"][:] = rng.uniform(-pi, pi, self._params["b1"].shape)

    def forward(self, x: Array, train: bool) -> Array:
        """z = cos(2 pi w1 x + b1); y = [z W2 + b2, x]."""
        self._x = x
        angles, z, y = self._angles[: len(x)], self._z[:, : len(x)], self._y[: len(x)]
        self.angles(x, out=angles)
        angles += self._params["b1"]
        np.cos(angles, out=z[0])
        self.sums(z, out=y[:, :, :-1])
        y[:, :, -1] = x
        return y.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        """dC/d(angles) = -sin(angles) dC/dz; x also has the gradient of its own place in y."""
        rows = len(dy)
        dy = dy.reshape(self._y[:rows].shape)
        d_angles = self.sums_backward(self._z[:, :rows], dy[:, :, :-1])[0]
        d_angles *= np.sin(self._angles[:rows], out=self._sines[:rows])
        np.negative(d_angles, out=d_angles)
        np.dot(self._ones[0, :rows], d_angles.reshape(rows, -1), out=self._grads["b1"].reshape(-1))
        dx = self.angles_backward(self._x, d_angles)
        if self.input_gradient:
            dx += dy[:, :, -1]
        return dx

    def buffer_values(self) -> int:
        """Also the angles and their sines."""
        return super().buffer_values() + 2 * size(self.param_shapes["b1"])


class Plr(PeriodicEmbedding):
    """y = max(0, z W2 + b2) with z = [sin(2 pi w1 x), cos(2 pi w1 x)]."""

    decayed = frozenset({"W2"})  # the source leaves the frequencies as they are

    def __init__(self, spec: PlrSpec, features: int) -> None:
        super().__init__(spec, features, curves=2, width=spec.units)

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
        """Allocate also the mask of positive outputs."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._positive = np.empty(self._y.shape, np.bool_)

    def forward(self, x: Array, train: bool) -> Array:
        """z = [sin(2 pi w1 x), cos(2 pi w1 x)]; y = max(0, z W2 + b2)."""
        self._x = x
        z, y = self._z[:, : len(x)], self._y[: len(x)]
        sines, cosines = z
        self.angles(x, out=cosines)
        np.sin(cosines, out=sines)
        np.cos(cosines, out=cosines)
        self.sums(z, out=y)
        np.maximum(y, 0, out=y)
        return y.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        """dC/d(angles) = cos(angles) dC/d(sines) - sin(angles) dC/d(cosines)."""
        z, positive = self._z[:, : len(dy)], self._positive[: len(dy)]
        dy = dy.reshape(positive.shape)
        dy *= np.greater(self._y[: len(dy)], 0, out=positive)
        d_angles, d_cosines = self.sums_backward(z, dy)
        sines, cosines = z
        d_angles *= cosines
        d_cosines *= sines
        d_angles -= d_cosines
        return self.angles_backward(self._x, d_angles)

    def buffer_values(self) -> int:
        """Also the mask."""
        return super().buffer_values() + mask_values(size(self.out_shape))
