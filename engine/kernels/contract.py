"""What the kernels compute, whoever computes it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]


class Kernels(Protocol):
    """A module of kernels."""

    NAME: str
    """What computes, with its version where that is not NumPy's."""

    @staticmethod
    def add_bias(y: Array, b: Array) -> None:
        """y_rj += b_j for y (rows, units) and b (1, units): of one row NumPy adds like to like, in half the time."""

    @staticmethod
    def relu(x: Array, y: Array, zeros: Array) -> None:
        """y = max(0, x), of any one shape; zeros: of that shape, all 0."""

    @staticmethod
    def relu_gradient(y: Array, dy: Array, zero: Array, positive: Mask) -> None:
        """dy *= [y > 0], of any one shape; zero: (), 0; positive: scratch of that shape."""

    @staticmethod
    def cross_entropy(
        z: Array,
        y: Array,
        weight: Array,
        weighted: bool,
        slopes: Array,
        factor: Array,
        losses: Array,
        column: Array,
        ones: Array,
    ) -> float:
        """sum_r w_r (log sum_k e^z_rk - sum_k y_rk z_rk); slopes_rk = factor w_r (p_rk - y_rk).

        p_rk = e^z_rk / sum_k e^z_rk, and nothing overflows. z, y, slopes: (rows, classes), where the y_rk of a row
        sum to 1; weight: (rows,), all 1 unless `weighted`; factor: (); losses: scratch (rows,); column: the same
        memory as (rows, 1); ones: (classes, 1), all 1.
        """

    @staticmethod
    def squared_errors(
        z: Array,
        y: Array,
        weight: Array,
        weighted: bool,
        slopes: Array,
        factor: Array,
        losses: Array,
        shares: Array,
    ) -> float:
        """sum_rj w_r share_j e_rj^2; slopes_rj = factor w_r e_rj; e = z - y.

        z, y, slopes: (rows, outputs); weight: (rows,), all 1 unless `weighted`; factor: (); losses: scratch
        (rows,); shares: (outputs,).
        """

    @staticmethod
    def right_rows(
        z: Array, y: Array, weight: Array | None, right: Mask, at_z: Indices, at_y: Indices
    ) -> float:
        """sum_r w_r [argmax_k z_rk = argmax_k y_rk], the first where several are largest; finite values.

        z, y: (rows, classes); weight: (rows,), or None for all ones; right, at_z, at_y: scratch (rows,).
        """

    @staticmethod
    def error_sums(
        z: Array, y: Array, weight: Array, origin: Array, sums: Array, batch_sums: Array, values: Array
    ) -> None:
        """sums_j += sum_r w_r (e_rj^2, |e_rj|, o_rj, o_rj^2) with e = z - y and o = y - origin.

        z, y: (rows, outputs); weight: (rows,); origin: (outputs,); sums: (4, outputs), float64;
        batch_sums: scratch (4, outputs); values: scratch (rows, outputs).
        """

    @staticmethod
    def adam(
        p: Array,
        g: Array,
        m: Array,
        v: Array,
        beta1: Array,
        beta2: Array,
        epsilon: Array,
        rate: Array,
        work: Array,
    ) -> None:
        """m = beta1 m + g; v = beta2 v + g^2; p -= rate m / (sqrt(v) + epsilon); work: scratch."""
