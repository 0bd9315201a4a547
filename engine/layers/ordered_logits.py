"""Logits in order: what makes the outputs of a network the logits of ordered classes."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.activations.base import odds
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec


class OrderedLogitsSpec(LayerSpec):
    """Makes any scores along the last axis logits that never rise: each is lower than the one before by a softplus.

    They are the logits of P(class > 1), P(class > 2), ... of ordered classes, which so can never contradict
    each other. An ordinal task puts it last by itself.
    """

    formula: ClassVar[str] = r"y_1 = x_1, \quad y_k = y_{k-1} - \log(1 + e^{x_k})"
    source: ClassVar[str] = (
        "McCullagh 1980, Regression models for ordinal data, section 2 (cumulative logits); Cao, Mirjalili & "
        "Raschka 2020, Rank consistent ordinal regression for neural networks (why they must be in order)"
    )

    kind: Literal["ordered_logits"] = "ordered_logits"

    def build(self, in_shape: Shape) -> "OrderedLogits":
        """Build for rows of any shape with at least one axis."""
        if not in_shape:
            raise InvalidSpec(f"{self.kind} takes rows with at least one axis, but single numbers come in")
        return OrderedLogits(in_shape)


class OrderedLogits(Layer):
    """y_k = x_1 - sum_{j = 2..k} log(1 + e^x_j)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, shape)

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
        """Allocate the output and two arrays for intermediate values."""
        self._y, self._t, self._dx = (np.empty((batch, *self.out_shape), dtype) for _ in range(3))

    def forward(self, x: Array, train: bool) -> Array:
        """The running sum of x_1, -log(1 + e^x_2), ..."""
        self._x = x
        y, t = self._y[: len(x)], self._t[: len(x)]
        np.logaddexp(x, 0.0, out=t)
        np.negative(t, out=t)
        t[..., 0] = x[..., 0]
        return np.add.accumulate(t, axis=-1, out=y)

    def backward(self, dy: Array) -> Array:
        """dC/dx_1 = sum_k dC/dy_k; dC/dx_j = -sigmoid(x_j) sum_{k >= j} dC/dy_k."""
        t, dx = self._t[: len(dy)], self._dx[: len(dy)]
        odds(self._x, out=dx)
        np.add(dx, 1.0, out=t)
        dx /= t
        np.negative(dx, out=dx)
        dx[..., 0] = 1.0
        np.add.accumulate(dy[..., ::-1], axis=-1, out=t[..., ::-1])
        dx *= t
        return dx

    def buffer_values(self) -> int:
        """The output and two arrays more."""
        return 3 * size(self.out_shape)
