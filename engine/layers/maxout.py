"""Maxout: a dense layer whose units learn their own activation."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer, GlorotUniformSpec
from engine.layers.base import Layer, WeightedSpec, mask_values
from engine.spec import InvalidSpec


class MaxoutSpec(WeightedSpec):
    """Every output is the largest of several weighted sums of every input: a learned convex activation."""

    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()
    formula: ClassVar[str] = r"a_j = \max_k z_{kj}, \quad z_{kj} = \sum_i W_{i,kj} x_i + b_{kj}"
    source: ClassVar[str] = "Goodfellow et al. 2013, Maxout networks, section 3"

    kind: Literal["maxout"] = "maxout"
    units: PositiveInt = Field(description="Number of outputs.")
    pieces: int = Field(
        2, ge=1, le=1000, description="Number of weighted sums that each output is the largest of."
    )

    def build(self, in_shape: Shape) -> "Maxout":
        """Build for rows of one axis; raises `InvalidSpec` for other rows."""
        if len(in_shape) != 1:
            raise InvalidSpec(
                f"maxout takes rows of one axis, but {list(in_shape)} comes in; put a flatten layer before it"
            )
        return Maxout(self, in_shape[0])


class Maxout(Layer):
    """a_j = max_k z_kj with z = x W + b; W (inputs, pieces * units) holds one piece of all units after another."""

    def __init__(self, spec: MaxoutSpec, inputs: int) -> None:
        super().__init__((inputs,), (spec.units,))
        self.spec = spec
        self._sums = spec.pieces * spec.units
        self.param_shapes = {"W": (inputs, self._sums), "b": (self._sums,)}

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
        """Allocate z and its gradient by piece, y, dx, a mask, and the row of ones that sums db."""
        self._W, self._dW = params["W"], grads["W"]
        self._b, self._db = params["b"], grads["b"]
        self._z = np.empty((batch, self.spec.pieces, self.spec.units), dtype)
        self._dz = np.empty_like(self._z)
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._largest = np.empty(self._y.shape, np.bool_)
        self._ones = np.ones(batch, dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W and b; an input reaches one piece of each unit at a time, so that fan_out is the units."""
        fan_in, fan_out = self.in_shape[0], self.spec.units
        self.spec.weight_start.fill(self._W, fan_in, fan_out, rng)
        self.spec.bias_initializer.fill(self._b, fan_in, fan_out, rng)

    def forward(self, x: Array, train: bool) -> Array:
        """z_kj = sum_i W_i,kj x_i + b_kj; a_j = max_k z_kj."""
        self._x = x
        z, y = self._z[: len(x)], self._y[: len(x)]
        sums = z.reshape(len(x), self._sums)
        np.dot(x, self._W, out=sums)
        sums += self._b
        np.copyto(y, z[:, 0])
        for k in range(1, self.spec.pieces):
            np.maximum(y, z[:, k], out=y)
        return y

    def backward(self, dy: Array) -> Array:
        """delta_kj = dC/da_j for the first k whose z_kj is a_j, else 0; then as in a dense layer."""
        rows = len(dy)
        z, dz, largest = self._z[:rows], self._dz[:rows], self._largest[:rows]
        for k in range(self.spec.pieces):
            np.equal(z[:, k], self._y[:rows], out=largest)
            np.multiply(dy, largest, out=dz[:, k])
            dy -= dz[:, k]  # exactly 0 where a piece has taken it: nothing is left for a tie
        delta = dz.reshape(rows, self._sums)
        np.dot(self._x.T, delta, out=self._dW)
        np.dot(self._ones[:rows], delta, out=self._db)
        dx = self._dx[:rows]
        if self.input_gradient:
            np.dot(delta, self._W.T, out=dx)
        return dx

    def buffer_values(self) -> int:
        """z and its gradient, y, dx, the mask and the row of ones."""
        return 2 * self._sums + super().buffer_values() + mask_values(self.spec.units) + 1

    def multiply_adds(self) -> int:
        """One a weight."""
        return self.in_shape[0] * self._sums
