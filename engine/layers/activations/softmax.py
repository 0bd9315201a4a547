"""The softmax, by which a row of scores becomes a row of probabilities, and its logarithm."""

from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.activations.base import Activation, ActivationSpec
from engine.spec import InvalidSpec


class SoftmaxSpec(ActivationSpec):
    """Turns the scores along the last axis into probabilities that sum to 1."""

    formula: ClassVar[str] = r"a_j = \frac{e^{z_j}}{\sum_k e^{z_k}}"
    source: ClassVar[str] = (
        "Bridle 1990, Probabilistic interpretation of feedforward classification network outputs"
    )

    kind: Literal["softmax"] = "softmax"

    def build(self, in_shape: Shape) -> "Softmax":
        """Build for rows of any shape with at least one axis."""
        _check_axis(self.kind, in_shape)
        return Softmax(in_shape)


def _check_axis(kind: str, in_shape: Shape) -> None:
    if not in_shape:
        raise InvalidSpec(f"{kind} takes rows with at least one axis, but single numbers come in")


class Softmax(Activation):
    """a = e^(z - max z) / sum e^(z - max z): the shift changes nothing and keeps e^z from overflowing."""

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also one number for each sum over the last axis."""
        super().allocate(shape, dtype)
        self._sum = np.empty((*shape[:-1], 1), dtype)

    def buffer_values(self) -> int:
        """Also the sums."""
        return super().buffer_values() + size(self.out_shape[:-1])

    def forward(self, x: Array, train: bool) -> Array:
        """a_j = e^(z_j - max z) / sum_k e^(z_k - max z)."""
        y, total = self._y[: len(x)], self._sum[: len(x)]
        np.maximum.reduce(x, axis=-1, keepdims=True, out=total)
        np.subtract(x, total, out=y)
        np.exp(y, out=y)
        np.add.reduce(y, axis=-1, keepdims=True, out=total)
        y /= total
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dz_j = a_j (dC/da_j - sum_k a_k dC/da_k)."""
        y, t, total = self._y[: len(dy)], self._t[: len(dy)], self._sum[: len(dy)]
        np.multiply(dy, y, out=t)
        np.add.reduce(t, axis=-1, keepdims=True, out=total)
        dy -= total
        dy *= y
        return dy


class LogSoftmaxSpec(ActivationSpec):
    """The logarithms of the softmax along the last axis, precise also where a probability is almost 0."""

    formula: ClassVar[str] = r"a_j = z_j - \log \sum_k e^{z_k}"
    source: ClassVar[str] = (
        "Bridle 1990, Probabilistic interpretation of feedforward classification network outputs"
    )

    kind: Literal["log_softmax"] = "log_softmax"

    def build(self, in_shape: Shape) -> "LogSoftmax":
        """Build for rows of any shape with at least one axis."""
        _check_axis(self.kind, in_shape)
        return LogSoftmax(in_shape)


class LogSoftmax(Softmax):
    """a = z - max z - log sum e^(z - max z)."""

    def forward(self, x: Array, train: bool) -> Array:
        """a_j = z_j - max z - log sum_k e^(z_k - max z)."""
        y, t, total = self._y[: len(x)], self._t[: len(x)], self._sum[: len(x)]
        np.maximum.reduce(x, axis=-1, keepdims=True, out=total)
        np.subtract(x, total, out=y)
        np.exp(y, out=t)
        np.add.reduce(t, axis=-1, keepdims=True, out=total)
        np.log(total, out=total)
        y -= total
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dz_j = dC/da_j - e^a_j sum_k dC/da_k."""
        t, total = self._t[: len(dy)], self._sum[: len(dy)]
        np.exp(self._y[: len(dy)], out=t)
        np.add.reduce(dy, axis=-1, keepdims=True, out=total)
        t *= total
        dy -= t
        return dy
