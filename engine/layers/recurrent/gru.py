"""The gated recurrent unit."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape
from engine.layers.axes import check_series
from engine.layers.recurrent.base import Recurrent, RecurrentSpec, sigmoid, sigmoid_slope, tanh_slope


class GruSpec(RecurrentSpec):
    """Reads a series step by step into a state, with gates that decide what of it is used and what is renewed.

    The reset gate r acts after the product with U, as in cuDNN. W and U hold the blocks r, z (update) and n
    (candidate); b holds b_r, b_z, b_u and b_n, where b_u belongs to the product with U that r acts on.
    """

    formula: ClassVar[str] = (
        r"r_t = \sigma(W_r^\top x_t + U_r^\top h_{t-1} + b_r), \quad"
        r" z_t = \sigma(W_z^\top x_t + U_z^\top h_{t-1} + b_z), \quad"
        r" n_t = \tanh(W_n^\top x_t + b_n + r_t \odot (U_n^\top h_{t-1} + b_u)), \quad"
        r" h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}, \quad h_0 = 0"
    )
    source: ClassVar[str] = (
        "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder, eq. 5 "
        "to 8, where r acts before the product"
    )

    kind: Literal["gru"] = "gru"

    def build(self, in_shape: Shape) -> "Gru":
        """Build for rows of (steps, features)."""
        check_series(self.kind, in_shape)
        return Gru(self, in_shape)


class Gru(Recurrent):
    """The pre-activations have the blocks r, z, u = U_n^T h + b_u and n = W_n^T x + b_n."""

    gates, blocks, sigmoids = 3, 4, 2

    def pack(self) -> None:
        """A = [U_r U_z U_n 0; W_r W_z 0 W_n; b]."""
        rz, n = 2 * self.units, 3 * self.units
        self._A_of_h[:, :n] = self._U
        self._A_of_x[:, :rz], self._A_of_x[:, n:] = self._W[:, :rz], self._W[:, rz:]
        self._A[-1] = self._b

    def unpack(self) -> None:
        """The gradients, from the same places of dA."""
        rz, n = 2 * self.units, 3 * self.units
        of_h, of_x = self._dA[: self.units], self._dA[self.units : -1]
        self._dU[...] = of_h[:, :n]
        self._dW[:, :rz], self._dW[:, rz:] = of_x[:, :rz], of_x[:, n:]
        self._db[...] = self._dA[-1]

    def take(self, buffers: Mapping[str, Array]) -> None:
        """Take the buffers."""
        super().take(buffers)
        read = self._gates[:, :2], *self._gates.swapaxes(0, 1), self._h[:-1]
        self.forth, self.back = (*read, self._h[1:]), read
        self._d = self._d_gates[:2], *self._d_gates, *self._d_state

    def step(self, *arrays: Array) -> None:
        """r, z = sigmoid(...); n = tanh(n + r u); h_t = n + z (h_(t-1) - n)."""
        rz, r, z, u, n, h_before, h = arrays
        t = self._t
        sigmoid(rz)
        np.multiply(r, u, out=t)
        n += t
        np.tanh(n, out=n)
        np.subtract(h_before, n, out=t)
        t *= z
        np.add(n, t, out=h)

    def step_back(self, *arrays: Array) -> None:
        """dn = dh (1 - z) (1 - n^2); du = dn r; dr = dn u; dz = dh (h_(t-1) - n), by the slopes at r and z.

        dh_(t-1) = dh z + U times the gradients of r, z and u.
        """
        rz, r, z, u, n, h_before = arrays
        d_rz, dr, dz, du, dn, dh = self._d
        t = self._t
        sigmoid_slope(rz, out=d_rz)
        np.subtract(h_before, n, out=t)
        dz *= t
        dz *= dh
        np.multiply(dh, z, out=t)  # what reaches h_(t-1) past the gates
        dh -= t
        tanh_slope(n, out=dn)
        dn *= dh
        np.multiply(dn, r, out=du)
        dr *= u
        dr *= dn
        np.matmul(self._A_of_h, self._dz_of_step, out=dh)
        dh += t
