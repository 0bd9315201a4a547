"""The kernels compiled by numba: serial, and without the liberties that change results.

They are compiled, or loaded from the cache, when this module is imported; what comes in another form than
foreseen, such as read-only arrays, is compiled when it first does. The scratch is not needed.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

import numba
from numba import types

from engine.arrays import Array
from engine.kernels.contract import Indices, Mask

NAME = f"numba {numba.__version__}"

Kernel = TypeVar("Kernel", bound=Callable[..., float | None])

KINDS = {"b": types.boolean, "i": types.intp, "d": types.float64}


def compiled(*signatures: str) -> Callable[[Kernel], Kernel]:
    """Compile for each of the signatures and each dtype.

    A signature has a word for each argument: an array's number of axes, with "b" before it for booleans, "i"
    for indices and "d" for float64 in any case; or "none" or "bool".
    """

    def compile_ahead(function: Kernel) -> Kernel:
        dispatcher = numba.njit(error_model="numpy")(function)
        with suppress(RuntimeError):  # where nothing may be written, each process compiles anew
            dispatcher.enable_caching()
        for dtype in (types.float32, types.float64):
            for signature in signatures:
                dispatcher.compile(tuple(_type(word, dtype) for word in signature.split()))
        return cast("Kernel", dispatcher)

    return compile_ahead


def _type(word: str, dtype: types.Float) -> types.Type:
    if word in {"none", "bool"}:
        return types.none if word == "none" else types.boolean
    return types.Array(KINDS.get(word[0], dtype), int(word[-1]), "C")


@compiled("2 2")
def add_bias(y: Array, b: Array) -> None:
    """y_rj += b_j."""
    for r in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[r, j] += b[0, j]


@compiled("2 2 2", "3 3 3", "4 4 4")
def relu(x: Array, y: Array, zeros: Array) -> None:
    """y = max(0, x), and NaN of NaN."""
    x, y = x.reshape(x.size), y.reshape(y.size)  # which refuses what is not contiguous
    for i in range(x.size):
        y[i] = 0 if x[i] < 0 else x[i]  # noqa: FURB136 - NaN stays NaN


@compiled("2 2 0 b2", "3 3 0 b3", "4 4 0 b4")
def relu_gradient(y: Array, dy: Array, zero: Array, positive: Mask) -> None:
    """dy *= [y > 0]."""
    y, dy = y.reshape(y.size), dy.reshape(dy.size)
    for i in range(y.size):
        dy[i] *= y[i] > 0


@compiled("2 2 1 bool 2 0 1 2 2")
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
    """sum_r w_r (log s_r - sum_k y_rk (z_rk - m_r)), with m_r = max_k z_rk and s_r = sum_k e^(z_rk - m_r)."""
    rows, classes = z.shape
    zero = z.dtype.type(0)
    cost, scale = zero, factor[()]
    for r in range(rows):
        m = z[r, 0]
        for k in range(1, classes):
            m = max(m, z[r, k])
        total = right = zero
        for k in range(classes):
            shifted = z[r, k] - m
            right += shifted * y[r, k]
            slopes[r, k] = math.exp(shifted)
            total += slopes[r, k]
        cost += weight[r] * (math.log(total) - right)
        for k in range(classes):
            slopes[r, k] = (slopes[r, k] / total - y[r, k]) * scale * weight[r]
    return float(cost)


@compiled("2 2 1 bool 2 0 1 1")
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
    """sum_rj w_r share_j e_rj^2; slopes_rj = factor w_r e_rj."""
    rows, outputs = z.shape
    zero = z.dtype.type(0)
    cost, scale = zero, factor[()]
    for r in range(rows):
        loss = zero
        for j in range(outputs):
            e = z[r, j] - y[r, j]
            loss += shares[j] * (e * e)
            slopes[r, j] = e * scale * weight[r]
        cost += weight[r] * loss
    return float(cost)


@compiled("2 2 none b1 i1 i1", "2 2 1 b1 i1 i1")
def right_rows(z: Array, y: Array, weight: Array | None, right: Mask, at_z: Indices, at_y: Indices) -> float:
    """sum_r w_r [argmax_k z_rk = argmax_k y_rk]."""
    total = 0.0
    for r in range(z.shape[0]):
        first_z, first_y, largest_z, largest_y = 0, 0, z[r, 0], y[r, 0]
        for k in range(1, z.shape[1]):
            first_z = k if z[r, k] > largest_z else first_z
            first_y = k if y[r, k] > largest_y else first_y
            largest_z, largest_y = max(largest_z, z[r, k]), max(largest_y, y[r, k])
        if first_z == first_y:
            total += 1.0 if weight is None else weight[r]
    return total


@compiled("2 2 1 1 d2 2 2")
def error_sums(
    z: Array, y: Array, weight: Array, origin: Array, sums: Array, batch_sums: Array, values: Array
) -> None:
    """sums_j += sum_r w_r (e_rj^2, |e_rj|, o_rj, o_rj^2)."""
    rows, outputs = z.shape
    for r in range(rows):
        w = weight[r]
        for j in range(outputs):
            e, o = z[r, j] - y[r, j], y[r, j] - origin[j]
            sums[0, j] += w * (e * e)
            sums[1, j] += w * abs(e)
            sums[2, j] += w * o
            sums[3, j] += w * (o * o)


@compiled("1 1 1 1 0 0 0 0 1")
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
    """m = beta1 m + g; v = beta2 v + g^2; p -= rate m / (sqrt(v) + epsilon)."""
    b1, b2, e, eta = beta1[()], beta2[()], epsilon[()], rate[()]
    for i in range(p.size):
        m[i] = b1 * m[i] + g[i]
        v[i] = b2 * v[i] + g[i] * g[i]
        p[i] -= eta * (m[i] / (math.sqrt(v[i]) + e))
