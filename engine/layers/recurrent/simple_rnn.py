"""The simple recurrent layer."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape
from engine.layers.axes import check_series
from engine.layers.recurrent.base import Recurrent, RecurrentSpec, tanh_slope


class SimpleRnnSpec(RecurrentSpec):
    """Reads a series step by step and mixes each step into its state: for short series.

    Over many steps the gradient fades or grows; an lstm or a gru holds on to it.
    """

    formula: ClassVar[str] = r"h_t = \tanh(W^\top x_t + U^\top h_{t-1} + b), \quad h_0 = 0"
    source: ClassVar[str] = (
        "Elman 1990, Finding structure in time; trained as in Werbos 1990, Backpropagation through time"
    )

    kind: Literal["simple_rnn"] = "simple_rnn"

    def build(self, in_shape: Shape) -> "SimpleRnn":
        """Build for rows of (steps, features)."""
        check_series(self.kind, in_shape)
        return SimpleRnn(self, in_shape)


class SimpleRnn(Recurrent):
    """h_t = tanh(z_t)."""

    gates, blocks, sigmoids = 1, 1, 0

    def take(self, buffers: Mapping[str, Array]) -> None:
        """Take the buffers."""
        super().take(buffers)
        self.forth, self.back = (self._z, self._h[1:]), (self._h[1:],)

    def step(self, *arrays: Array) -> None:
        """h_t = tanh(z_t)."""
        z, h = arrays
        np.tanh(z, out=h)

    def step_back(self, *arrays: Array) -> None:
        """dC/dz_t = dC/dh_t (1 - h_t^2); dC/dh_(t-1) = U dC/dz_t."""
        [h], [dh], dz = arrays, self._d_state, self._dz_of_step
        tanh_slope(h, out=dz)
        dz *= dh
        np.matmul(self._A_of_h, dz, out=dh)
