"""The long short-term memory."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array, Shape
from engine.layers.axes import check_series
from engine.layers.recurrent.base import Recurrent, RecurrentSpec, sigmoid, sigmoid_slope, tanh_slope


class LstmSpec(RecurrentSpec):
    """Reads a series step by step into a memory c, with gates that decide what goes in, stays and comes out.

    W, U and b hold the blocks of the gates in the order i (input), f (forget), o (output), g (candidate).
    """

    formula: ClassVar[str] = (
        r"z_t = W^\top x_t + U^\top h_{t-1} + b, \quad (i_t, f_t, o_t) = \sigma(z_t^{i, f, o}), \quad"
        r" g_t = \tanh(z_t^g), \quad c_t = f_t \odot c_{t-1} + i_t \odot g_t, \quad"
        r" h_t = o_t \odot \tanh(c_t), \quad h_0 = c_0 = 0"
    )
    source: ClassVar[str] = (
        "Hochreiter & Schmidhuber 1997, Long short-term memory; the forget gate: Gers, Schmidhuber & Cummins "
        "2000, Learning to forget: continual prediction with LSTM"
    )

    kind: Literal["lstm"] = "lstm"
    forget_bias: float = Field(
        1.0,
        ge=-100,
        le=100,
        description="How much is added to the start of the forget gate's b: 1 lets the memory last at first.",
    )

    def build(self, in_shape: Shape) -> "Lstm":
        """Build for rows of (steps, features)."""
        check_series(self.kind, in_shape)
        return Lstm(self, in_shape)


class Lstm(Recurrent):
    """c_t = f c_(t-1) + i g; h_t = o tanh(c_t)."""

    gates, blocks, sigmoids, states = 4, 4, 3, 2

    def __init__(self, spec: LstmSpec, in_shape: Shape) -> None:
        super().__init__(spec, in_shape)
        self._forget_bias = spec.forget_bias
        self.buffer_shapes |= {"c": (self.steps + 1, self.units), "tanh_c": (self.steps, self.units)}

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W, U and b, and open the forget gate."""
        super().init(rng, x)
        self._b[self.units : 2 * self.units] += self._forget_bias

    def take(self, buffers: Mapping[str, Array]) -> None:
        """Take also those of the memory c, which starts at 0."""
        super().take(buffers)
        self._c, tanh_c = buffers["c"], buffers["tanh_c"]
        self._c[0] = 0
        read = self._gates[:, :3], *self._gates.swapaxes(0, 1), self._c[:-1], tanh_c
        self.forth, self.back = (*read, self._c[1:], self._h[1:]), read
        self._d = self._d_gates[:3], *self._d_gates, *self._d_state

    def step(self, *arrays: Array) -> None:
        """i, f, o = sigmoid(z), g = tanh(z); c_t = f c_(t-1) + i g; h_t = o tanh(c_t)."""
        ifo, i, f, o, g, c_before, tanh_c, c, h = arrays
        sigmoid(ifo)
        np.tanh(g, out=g)
        np.multiply(f, c_before, out=c)
        np.multiply(i, g, out=tanh_c)
        c += tanh_c
        np.tanh(c, out=tanh_c)
        np.multiply(o, tanh_c, out=h)

    def step_back(self, *arrays: Array) -> None:
        """dc_t += dh o (1 - tanh(c_t)^2); di = dc g; df = dc c_(t-1); do = dh tanh(c_t); dg = dc i.

        dC/dz is each of the last four times the slope at its z; dc_(t-1) = dc_t f; dh_(t-1) = U dC/dz.
        """
        ifo, i, f, o, g, c_before, tanh_c = arrays
        d_ifo, di, df, do, dg, dh, dc = self._d
        t = self._t
        tanh_slope(tanh_c, out=t)
        t *= o
        t *= dh
        dc += t
        sigmoid_slope(ifo, out=d_ifo)
        di *= g
        di *= dc
        df *= c_before
        df *= dc
        do *= tanh_c
        do *= dh
        tanh_slope(g, out=dg)
        dg *= i
        dg *= dc
        dc *= f
        np.matmul(self._A_of_h, self._dz_of_step, out=dh)

    def hold(self, s: int, padded: NDArray[np.bool_]) -> None:
        """The memory passes padding as well."""
        super().hold(s, padded)
        np.copyto(self._c[s + 1], self._c[s], where=padded)
