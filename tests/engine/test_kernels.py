"""The kernels in NumPy against their formulas by other means, and which kernels are chosen."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from kernel_calls import (
    SHAPES,
    WEIGHTINGS,
    cross_entropy,
    error_sums,
    one_hot,
    right_rows,
    squared_errors,
    values,
    weights,
)
from scipy.special import log_softmax, softmax

from engine import kernels
from engine.kernels import in_numpy
from engine.network import Network, NetworkSpec


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_chosen", kernels.chosen())


@SHAPES
@WEIGHTINGS
@pytest.mark.parametrize("scale", [1.0, 300.0], ids=["near", "far"])
def test_cross_entropy(shape: tuple[int, int], weighted: bool, scale: float) -> None:
    z, y, weight = (
        values(shape, np.float64, scale),
        one_hot(shape, np.float64),
        weights(shape[0], float, weighted),
    )
    w = np.ones(shape[0]) if weight is None else weight
    cost, slopes = cross_entropy(in_numpy, z, y, weight)
    p = softmax(z, axis=1)
    assert cost == pytest.approx(-(w * (log_softmax(z, axis=1) * y).sum(axis=1)).sum(), rel=1e-13, abs=1e-14)
    np.testing.assert_allclose(slopes, 0.25 * w[:, None] * (p - y), rtol=1e-12, atol=1e-15)


@SHAPES
@WEIGHTINGS
def test_squared_errors(shape: tuple[int, int], weighted: bool) -> None:
    z, y = values(shape, np.float64), values(shape, np.float64, seed=1)
    weight = weights(shape[0], float, weighted)
    w = np.ones(shape[0]) if weight is None else weight
    cost, slopes = squared_errors(in_numpy, z, y, weight)
    assert cost == pytest.approx((w * ((z - y) ** 2).mean(axis=1)).sum(), rel=1e-13)
    np.testing.assert_allclose(slopes, 0.25 * w[:, None] * (z - y), rtol=1e-14)


@SHAPES
@WEIGHTINGS
def test_right_rows(shape: tuple[int, int], weighted: bool) -> None:
    z, y = values(shape, np.float64), one_hot(shape, np.float64)
    weight = weights(shape[0], float, weighted)
    w = np.ones(shape[0]) if weight is None else weight
    expected = sum(w[r] for r in range(shape[0]) if list(z[r]).index(max(z[r])) == list(y[r]).index(1))
    assert right_rows(in_numpy, z, y, weight) == pytest.approx(expected)


@SHAPES
def test_error_sums(shape: tuple[int, int]) -> None:
    z, y = values(shape, np.float64), values(shape, np.float64, seed=1)
    w = np.random.default_rng(2).uniform(0, 3, shape[0])
    e, o = z - y, y - y[0]
    expected = 3 + np.array([w @ e**2, w @ abs(e), w @ o, w @ o**2])
    np.testing.assert_allclose(error_sums(in_numpy, z, y, w), expected, rtol=1e-13)


def test_what_is_bound_keeps_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = NetworkSpec.model_validate({"layers": [{"kind": "relu"}]})
    kernels.use("numpy")
    network = Network(spec, (2,), batch=1, rng=np.random.default_rng(0))
    monkeypatch.setattr(kernels, "_chosen", None)
    np.testing.assert_array_equal(network.forward(np.array([[-1, 1]], np.float32)), [[0, 1]])


def test_numba_is_taken_where_it_is_installed() -> None:
    expected = "numba" if find_spec("numba") else "numpy"
    assert kernels.use("auto").NAME.split()[0] == expected
    assert kernels.chosen().NAME.split()[0] == expected
    assert kernels.use("numpy").NAME == kernels.chosen().NAME == "numpy"


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy is taken, and numba cannot be chosen."""
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "engine.kernels.in_numba", raising=False)
    monkeypatch.setattr(kernels, "find_spec", lambda _: None)
    assert kernels.use("auto").NAME == "numpy"
    with pytest.raises(ImportError):
        kernels.use("numba")


@pytest.mark.slow
def test_a_process_that_only_plans_loads_no_numba() -> None:
    """The API and the worker import the layers, but run none of the compiled kernels."""
    code = "import sys, engine.network, engine.losses, engine.optimizers; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
