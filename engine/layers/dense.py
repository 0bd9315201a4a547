"""The fully connected layer."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer, GlorotUniformSpec
from engine.layers.base import Layer, WeightedSpec
from engine.spec import InvalidSpec


class DenseSpec(WeightedSpec):
    """Every output is a weighted sum of every input, plus a bias."""

    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()
    formula: ClassVar[str] = r"z_j = \sum_i w_{ji} x_i + b_j"
    source: ClassVar[str] = "Rosenblatt 1958, The perceptron; the article's z = Wx + b"

    kind: Literal["dense"] = "dense"
    units: PositiveInt | None = Field(
        None, description="Number of outputs. In the last dense layer it may be left out: the target decides."
    )
    bias: bool = Field(True, description="Whether b is there at all.")

    def build(self, in_shape: Shape) -> "Dense":
        """Build for rows of one axis; raises `InvalidSpec` for other rows or unresolved units."""
        if len(in_shape) != 1:
            raise InvalidSpec(
                f"dense takes rows of one axis, but {list(in_shape)} comes in; put a flatten layer before it"
            )
        if self.units is None:
            raise InvalidSpec("only the last dense layer may leave out its units", ("units",))
        return Dense(self, in_shape[0], self.units)


class Dense(Layer):
    """y = x W + b, with W (inputs, units): the transpose of the article's W, whose rows are units."""

    def __init__(self, spec: DenseSpec, inputs: int, units: int) -> None:
        super().__init__((inputs,), (units,))
        self.spec = spec
        self.param_shapes = {"W": (inputs, units)} | ({"b": (units,)} if spec.bias else {})

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
        """Allocate y and dx, and the row of ones that sums db."""
        self._W, self._dW = params["W"], grads["W"]
        self._b, self._db = params.get("b"), grads.get("b")
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._ones = np.ones(batch, dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W and b."""
        fan_in, fan_out = self._W.shape
        self.spec.weight_start.fill(self._W, fan_in, fan_out, rng)
        if self._b is not None:
            self.spec.bias_initializer.fill(self._b, fan_in, fan_out, rng)

    def forward(self, x: Array, train: bool) -> Array:
        """z_j = sum_i w_ji x_i + b_j."""
        self._x = x
        y = self._y[: len(x)]
        np.dot(x, self._W, out=y)  # np.matmul calls the same BLAS, 0.5 us later
        if self._b is not None:
            y += self._b
        return y

    def backward(self, dy: Array) -> Array:
        """dw_ji = sum_rows delta_j x_i; db_j = sum_rows delta_j; dC/dx_i = sum_j w_ji delta_j."""
        np.dot(self._x.T, dy, out=self._dW)
        if self._db is not None:
            np.dot(self._ones[: len(dy)], dy, out=self._db)
        dx = self._dx[: len(dy)]
        if self.input_gradient:
            np.dot(dy, self._W.T, out=dx)
        return dx

    def buffer_values(self) -> int:
        """y, dx and the row of ones."""
        return super().buffer_values() + 1

    def multiply_adds(self) -> int:
        """One multiply-add a weight."""
        return self.in_shape[0] * self.out_shape[0]
