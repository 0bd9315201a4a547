"""The fully connected layer."""

from collections.abc import Mapping
from math import sqrt
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer, GlorotUniformSpec, NormalSpec
from engine.kernels import chosen
from engine.layers.base import Layer, WeightedSpec
from engine.spec import InvalidSpec

CONSTANT = 1e-8
"""A weighted sum whose deviation on the training rows is below this cannot be scaled to deviation 1."""
ROWS_OF_A_BIAS = 5


class UnitsSpec(WeightedSpec):
    """A spec of a layer whose units the target decides where it is a network's last."""

    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()

    units: PositiveInt | None = Field(
        None, description="Number of outputs. In the last dense layer it may be left out: the target decides."
    )
    bias: bool = Field(True, description="Whether b is there at all.")

    def decided_units(self) -> int:
        """The units; raises `InvalidSpec` where nobody has decided."""
        if self.units is None:
            raise InvalidSpec("only the last dense layer may leave out its units", ("units",))
        return self.units


class DenseSpec(UnitsSpec):
    """Every output is a weighted sum of every input, plus a bias."""

    formula: ClassVar[str] = (
        r"z_j = \sum_i w_{ji} x_i + b_j \quad \text{or, as ntp,} \quad"
        r" z_j = \frac{1}{\sqrt{n}} \sum_{i=1}^n w_{ji} x_i + b_j"
    )
    source: ClassVar[str] = (
        "Rosenblatt 1958, The perceptron; the article's z = Wx + b; ntp: Jacot et al. 2018, Neural tangent "
        "kernel; start from data: Holzmüller et al. 2024, Better by default"
    )

    kind: Literal["dense"] = "dense"
    parametrization: Literal["standard", "ntp"] = Field(
        "standard",
        description="ntp (neural tangent parametrization): the weighted sum is divided by the square root of the "
        "number of inputs, so that one learning rate suits layers of any width; W then starts from a normal "
        "distribution of deviation 1 where nothing else is asked for.",
    )
    start: Literal["drawn", "data"] = Field(
        "drawn",
        description="data: after W is drawn, each unit is scaled so that its weighted sum has deviation 1 on "
        "training rows, and b moves its zero to a random mean of 5 of them. Where no rows are at hand, as drawn.",
    )

    def started(self, start: AnyInitializer) -> WeightedSpec:
        """With `start` for W, unless a start was given; the ntp form has its own."""
        return super().started(NormalSpec(std=1.0) if self.parametrization == "ntp" else start)

    def build(self, in_shape: Shape) -> "Dense":
        """Build for rows of one axis; raises `InvalidSpec` for other rows or unresolved units."""
        if len(in_shape) != 1:
            raise InvalidSpec(
                f"dense takes rows of one axis, but {list(in_shape)} comes in; put a flatten layer before it"
            )
        layer = NtpDense if self.parametrization == "ntp" else Dense
        return layer(self, in_shape[0], self.decided_units())


class Dense(Layer):
    """y = x W + b, with W (inputs, units): the transpose of the article's W, whose rows are units."""

    scale: float = 1.0
    """The factor on x W; this class takes it as 1."""

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
        self._bias_row = None if self._b is None else self._b[None]
        self._add_bias = chosen().add_bias
        self._buffers = (
            np.empty((batch, *self.out_shape), dtype),
            np.empty((batch, *self.in_shape), dtype),
            np.ones(batch, dtype),
        )
        self._take_rows(batch)

    def _take_rows(self, rows: int) -> None:
        """Cut the buffers to `rows`: only when their number changes, since a cut costs as much as a small sum."""
        self._rows = rows
        self._y, self._dx, self._ones = (buffer[:rows] for buffer in self._buffers)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W and b; with the start from data, fit them to `x`."""
        fan_in, fan_out = self._W.shape
        self.spec.weight_start.fill(self._W, fan_in, fan_out, rng)
        if self._b is not None:
            self.spec.bias_initializer.fill(self._b, fan_in, fan_out, rng)
        if self.spec.start == "data" and x is not None:
            self._fit(x, rng)

    def _fit(self, x: Array, rng: np.random.Generator) -> None:
        """w_j /= std(z_j), and b_j = -sum_(i=1..5) lambda_i z_j of a random row r_i; both for each unit.

        z is the weighted sum without b; lambda ~ Exp(1), divided by its sum. A unit that is constant on the
        rows keeps its weights.
        """
        z = self.scale * (x.astype(np.float64) @ self._W.astype(np.float64))
        deviations = z.std(axis=0)
        deviations[deviations < CONSTANT] = 1.0
        self._W /= deviations
        if self._b is not None:
            rows = rng.integers(len(x), size=(ROWS_OF_A_BIAS, *self.out_shape))
            shares = rng.exponential(size=rows.shape)
            shares /= shares.sum(axis=0)
            self._b[:] = -np.sum(shares * np.take_along_axis(z / deviations, rows, axis=0), axis=0)

    def forward(self, x: Array, train: bool) -> Array:
        """z_j = sum_i w_ji x_i + b_j."""
        if len(x) != self._rows:
            self._take_rows(len(x))
        self._x = x
        y = x.dot(self._W, self._y)  # np.dot and np.matmul call the same BLAS, 0.2 and 0.6 us later
        if self._bias_row is not None:
            self._add_bias(y, self._bias_row)
        return y

    def backward(self, dy: Array) -> Array:
        """dw_ji = sum_rows delta_j x_i; db_j = sum_rows delta_j; dC/dx_i = sum_j w_ji delta_j."""
        self._x.T.dot(dy, self._dW)
        if self._db is not None:
            self._ones.dot(dy, self._db)
        if self.input_gradient:
            dy.dot(self._W.T, self._dx)
        return self._dx

    def buffer_values(self) -> int:
        """y, dx and the row of ones."""
        return super().buffer_values() + 1

    def multiply_adds(self) -> int:
        """One multiply-add a weight."""
        return self.in_shape[0] * self.out_shape[0]


class NtpDense(Dense):
    """y = scale x W + b, with scale = 1 / sqrt(inputs)."""

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
        """As Dense."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self.scale = 1 / sqrt(self.in_shape[0])

    def forward(self, x: Array, train: bool) -> Array:
        """z_j = scale sum_i w_ji x_i + b_j."""
        if len(x) != self._rows:
            self._take_rows(len(x))
        self._x = x
        y = x.dot(self._W, self._y)
        y *= self.scale
        if self._bias_row is not None:
            self._add_bias(y, self._bias_row)
        return y

    def backward(self, dy: Array) -> Array:
        """db_j = sum_rows delta_j; all else is as in the standard form, of scale delta."""
        if self._db is not None:
            self._ones.dot(dy, self._db)
        dy *= self.scale
        self._x.T.dot(dy, self._dW)
        if self.input_gradient:
            dy.dot(self._W.T, self._dx)
        return self._dx
