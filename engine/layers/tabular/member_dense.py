"""A dense layer for each member of an ensemble."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer
from engine.layers.dense import UnitsSpec
from engine.layers.tabular.batch_ensemble import TABM
from engine.spec import InvalidSpec


class MemberDenseSpec(UnitsSpec):
    """A dense layer of its own for each member: the separate heads at the end of an ensemble."""

    formula: ClassVar[str] = r"y_k = x_k W_k + b_k"
    source: ClassVar[str] = TABM

    kind: Literal["member_dense"] = "member_dense"

    def build(self, in_shape: Shape) -> "MemberDense":
        """Build for rows (k, features)."""
        units = self.decided_units()
        if len(in_shape) != 2:
            raise InvalidSpec(
                f"member_dense takes rows (members, features), but {list(in_shape)} comes in; "
                "put a batch_ensemble_dense before it"
            )
        return MemberDense(self, in_shape, units)


class MemberDense(Layer):
    """y_k = x_k W_k + b_k, with W (k, inputs, units): one np.matmul, over views with the members in front."""

    def __init__(self, spec: MemberDenseSpec, in_shape: Shape, units: int) -> None:
        members, inputs = in_shape
        super().__init__(in_shape, (members, units))
        self.spec = spec
        self.param_shapes = {"W": (members, inputs, units)} | ({"b": (members, units)} if spec.bias else {})

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
        """Draw each member's W, then all b."""
        _, fan_in, fan_out = self._W.shape
        for member in self._W:
            self.spec.weight_start.fill(member, fan_in, fan_out, rng)
        if self._b is not None:
            self.spec.bias_initializer.fill(self._b, fan_in, fan_out, rng)

    def forward(self, x: Array, train: bool) -> Array:
        """y_k = x_k W_k + b_k."""
        self._x = x
        y = self._y[: len(x)]
        np.matmul(x.swapaxes(0, 1), self._W, out=y.swapaxes(0, 1))
        if self._b is not None:
            y += self._b
        return y

    def backward(self, dy: Array) -> Array:
        """dW_k = sum x_k^T dy_k; db_k = sum dy_k; dx_k = dy_k W_k^T."""
        by_member, dx = dy.swapaxes(0, 1), self._dx[: len(dy)]
        np.matmul(self._x.transpose(1, 2, 0), by_member, out=self._dW)
        if self._db is not None:
            np.dot(self._ones[: len(dy)], dy.reshape(len(dy), -1), out=self._db.reshape(-1))
        if self.input_gradient:
            np.matmul(by_member, self._W.swapaxes(1, 2), out=dx.swapaxes(0, 1))
        return dx

    def buffer_values(self) -> int:
        """y, dx and the row of ones."""
        return super().buffer_values() + 1

    def multiply_adds(self) -> int:
        """One multiply-add a weight."""
        return size(self.param_shapes["W"])
