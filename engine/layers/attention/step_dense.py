"""A dense layer at each step of a series: a part of attention and of the transformer's block."""

from collections.abc import Mapping

import numpy as np

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer
from engine.layers.base import Layer


class StepDense(Layer):
    """y_t = x_t W + b at each step t, with W (features, units)."""

    def __init__(
        self,
        in_shape: Shape,
        units: int,
        *,
        start: AnyInitializer,
        bias_start: AnyInitializer | None,
        parts: int = 1,
    ) -> None:
        """`start` and `bias_start`: how W and b start; without the latter there is no b.

        `parts`: how many matrices stand side by side in W, each of which starts by itself.
        """
        super().__init__(in_shape, (in_shape[0], units))
        self._start, self._bias_start, self._parts = start, bias_start, parts
        self.param_shapes = {"W": (in_shape[1], units)} | ({"b": (units,)} if bias_start else {})

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
        """Allocate y and dx, and the ones that sum db."""
        self._W, self._dW = params["W"], grads["W"]
        self._b, self._db = params.get("b"), grads.get("b")
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._ones = np.ones(batch * self.in_shape[0], dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W and b."""
        fan_in, fan_out = self.in_shape[1], self.out_shape[1] // self._parts
        for part in np.split(self._W, self._parts, axis=1):
            self._start.fill(part, fan_in, fan_out, rng)
        if self._b is not None and self._bias_start:
            self._bias_start.fill(self._b, fan_in, fan_out, rng)

    def forward(self, x: Array, train: bool) -> Array:
        """z_tj = sum_i w_ji x_ti + b_j.

        In evaluation each row has a product of its own, so that its bits do not depend on its place; the
        one product of training is 10 % quicker.
        """
        self._x = x
        y = self._y[: len(x)]
        if train:
            np.dot(_steps(x), self._W, out=_steps(y))
        else:
            np.matmul(x, self._W, out=y)
        if self._b is not None:
            y += self._b
        return y

    def backward(self, dy: Array) -> Array:
        """dw_ji = sum delta_tj x_ti and db_j = sum delta_tj over rows and steps; dC/dx_ti = sum_j w_ji delta_tj."""
        delta, dx = _steps(dy), self._dx[: len(dy)]
        np.dot(_steps(self._x).T, delta, out=self._dW)
        if self._db is not None:
            np.dot(self._ones[: len(delta)], delta, out=self._db)
        if self.input_gradient:
            np.dot(delta, self._W.T, out=_steps(dx))
        return dx

    def buffer_values(self) -> int:
        """y, dx and the ones."""
        return super().buffer_values() + self.in_shape[0]

    def multiply_adds(self) -> int:
        """One a weight and step."""
        return self.in_shape[0] * self.in_shape[1] * self.out_shape[1]


def _steps(series: Array) -> Array:
    """(rows, steps, features) as (rows * steps, features)."""
    return series.reshape(-1, series.shape[-1])
