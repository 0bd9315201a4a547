"""Calls of a module of kernels, with the scratch that those in NumPy need, and values to call them with."""

import numpy as np
import pytest

SHAPES = pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (32, 10), (17, 33)])
WEIGHTINGS = pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])


def values(shape: tuple[int, ...], dtype: type, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Normal numbers, some of them 0 and some equal to a neighbour."""
    rng = np.random.default_rng(seed)
    x = (scale * rng.standard_normal(shape)).astype(dtype)
    x[rng.random(shape) < 0.1] = 0
    flat = x.reshape(-1)
    same = np.flatnonzero(rng.random(flat.size) < 0.1)
    flat[same] = flat[same - 1]
    return x


def one_hot(shape: tuple[int, int], dtype: type) -> np.ndarray:
    return np.eye(shape[1], dtype=dtype)[np.random.default_rng(1).integers(0, shape[1], shape[0])]


def cross_entropy(
    module: object, z: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> tuple[float, np.ndarray]:
    rows, classes = z.shape
    slopes, factor = np.full_like(z, np.nan), np.array(0.25, z.dtype)
    ones, losses = np.ones((classes, 1), z.dtype), np.empty(rows, z.dtype)
    weighted, w = weight is not None, np.ones(rows, z.dtype) if weight is None else weight
    return module.cross_entropy(z, y, w, weighted, slopes, factor, losses, losses[:, None], ones), slopes


def squared_errors(
    module: object, z: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> tuple[float, np.ndarray]:
    rows, outputs = z.shape
    slopes, factor = np.full_like(z, np.nan), np.array(0.25, z.dtype)
    shares, losses = np.full(outputs, 1 / outputs, z.dtype), np.empty(rows, z.dtype)
    weighted, w = weight is not None, np.ones(rows, z.dtype) if weight is None else weight
    return module.squared_errors(z, y, w, weighted, slopes, factor, losses, shares), slopes


def right_rows(module: object, z: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> float:
    rows = len(z)
    return module.right_rows(
        z, y, weight, np.empty(rows, np.bool_), np.empty(rows, np.intp), np.empty(rows, np.intp)
    )


def error_sums(module: object, z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    sums = np.full((4, z.shape[1]), 3.0)
    origin = y[0].copy()
    module.error_sums(z, y, weight, origin, sums, np.empty((4, z.shape[1]), z.dtype), np.empty_like(z))
    return sums


def adam(module: object, p: np.ndarray, g: np.ndarray, steps: int = 3) -> tuple[np.ndarray, ...]:
    p, m, v, work = p.copy(), np.zeros_like(p), np.zeros_like(p), np.empty_like(p)
    scalars = [np.array(value, p.dtype) for value in (0.9, 0.999, 1e-7, 1e-3)]
    for _ in range(steps):
        module.adam(p, g, m, v, *scalars, work)
    return p, m, v


def relu(module: object, x: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, zeros, dx = np.full_like(x, np.nan), np.zeros_like(x), dy.copy()
    module.relu(x, y, zeros)
    module.relu_gradient(y, dx, np.zeros((), x.dtype), np.empty(x.shape, np.bool_))
    return y, dx


def weights(rows: int, dtype: type, weighted: bool) -> np.ndarray | None:
    return np.random.default_rng(2).uniform(0, 3, rows).astype(dtype) if weighted else None
