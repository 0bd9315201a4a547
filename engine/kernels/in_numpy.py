"""The kernels in NumPy, which is always there.

The method `dot` calls the same BLAS as the function, 0.2 us earlier.
"""

import numpy as np

from engine.arrays import Array
from engine.kernels.contract import Indices, Mask

NAME = "numpy"

LARGEST_EXPONENT = 60.0
"""e^60 = 1e26: a sum of such terms, one a class, is far below the largest float32, 3e38."""


def add_bias(y: Array, b: Array) -> None:
    """y_rj += b_j."""
    np.add(y, b, out=y)


def relu(x: Array, y: Array, zeros: Array) -> None:
    """y = max(0, x); with a scalar 0 it would not be vectorised."""
    np.maximum(x, zeros, out=y)


def relu_gradient(y: Array, dy: Array, zero: Array, positive: Mask) -> None:
    """dy *= [y > 0]."""
    np.greater(y, zero, out=positive)
    np.multiply(dy, positive, out=dy)


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
    """sum_r w_r log s_r, with s_r = sum_k e^(z_rk - c_r) and c_r = sum_k y_rk z_rk.

    c_r is a mean of z_rk, so that s_r is 1 at least and can overflow only where a row is very wrong; only then the
    row's maximum, which takes as long as six other calls, is subtracted as well.
    """
    np.vecdot(z, y, out=losses)
    np.subtract(z, column, out=slopes)
    largest = None
    if not slopes.item(slopes.argmax()) < LARGEST_EXPONENT:
        largest = slopes.max(axis=1, keepdims=True)
        np.subtract(slopes, largest, out=slopes)
    np.exp(slopes, out=slopes)
    slopes.dot(ones, column)
    np.divide(slopes, column, out=slopes)
    np.subtract(slopes, y, out=slopes)
    np.multiply(slopes, factor, out=slopes)
    np.log(losses, out=losses)
    if largest is not None:
        np.add(losses, largest[:, 0], out=losses)
    if weighted:
        np.multiply(slopes, weight[:, None], out=slopes)
    return float(weight.dot(losses))


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
    """sum_rj w_r share_j e_rj^2; slopes_rj = factor w_r e_rj; the squares pass through `slopes`."""
    np.subtract(z, y, out=slopes)
    np.square(slopes, out=slopes)
    slopes.dot(shares, losses)
    np.subtract(z, y, out=slopes)
    np.multiply(slopes, factor, out=slopes)
    if weighted:
        np.multiply(slopes, weight[:, None], out=slopes)
    return float(weight.dot(losses))


def right_rows(z: Array, y: Array, weight: Array | None, right: Mask, at_z: Indices, at_y: Indices) -> float:
    """sum_r w_r [argmax_k z_rk = argmax_k y_rk]."""
    np.equal(z.argmax(1, at_z), y.argmax(1, at_y), out=right)
    return float(np.count_nonzero(right) if weight is None else np.add.reduce(weight, where=right))


def error_sums(
    z: Array, y: Array, weight: Array, origin: Array, sums: Array, batch_sums: Array, values: Array
) -> None:
    """sums_j += sum_r w_r (e_rj^2, |e_rj|, o_rj, o_rj^2)."""
    squared_error, absolute_error, value, squared_value = batch_sums
    np.subtract(y, origin, out=values)
    weight.dot(values, value)
    np.square(values, out=values)
    weight.dot(values, squared_value)
    np.subtract(z, y, out=values)
    np.abs(values, out=values)
    weight.dot(values, absolute_error)
    np.square(values, out=values)
    weight.dot(values, squared_error)
    np.add(sums, batch_sums, out=sums)


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
    np.multiply(m, beta1, out=m)
    np.add(m, g, out=m)
    np.multiply(v, beta2, out=v)
    np.multiply(g, g, out=work)
    np.add(v, work, out=v)
    np.sqrt(v, out=work)
    np.add(work, epsilon, out=work)
    np.divide(m, work, out=work)
    np.multiply(work, rate, out=work)
    np.subtract(p, work, out=p)
