"""Losses of differences and of directions: against scikit-learn, SciPy and what they are made for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_values import evaluate
from scipy.spatial.distance import cosine
from sklearn.metrics import mean_pinball_loss

from engine.losses import CosineSpec, LogCoshSpec, MaeSpec, QuantileSpec
from engine.spec import InvalidSpec

rng = np.random.default_rng(6)
ROWS, OUTPUTS = 50, 3
A, Y, WEIGHT = rng.normal(size=(ROWS, OUTPUTS)), rng.normal(size=(ROWS, OUTPUTS)), rng.random(ROWS)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_quantile_against_sklearn(level: float) -> None:
    value, _ = evaluate(QuantileSpec(level=level), A, Y, WEIGHT)
    assert value == pytest.approx(mean_pinball_loss(Y, A, sample_weight=WEIGHT, alpha=level), rel=1e-12)


def test_quantile_by_hand() -> None:
    """Level 0.9, errors 1, -2, 0: (0.1 + 1.8 + 0) / 3; the slopes are (0.1, -0.9, -0.4) / 3."""
    value, d = evaluate(QuantileSpec(level=0.9), [[2, 0, 1]], [[1, 2, 1]])
    assert value == pytest.approx(1.9 / 3, rel=1e-14)
    np.testing.assert_allclose(d, [[0.1 / 3, -0.3, -0.4 / 3]], rtol=1e-14)


def test_the_median_is_half_the_mae() -> None:
    assert evaluate(QuantileSpec(), A, Y)[0] == pytest.approx(evaluate(MaeSpec(), A, Y)[0] / 2, rel=1e-14)


@pytest.mark.parametrize("level", [0.1, 0.75])
def test_the_quantile_has_the_least_loss(level: float) -> None:
    y = rng.exponential(size=(101, 1))
    candidates = np.sort(y[:, 0])
    losses = [evaluate(QuantileSpec(level=level), np.full_like(y, a), y)[0] for a in candidates]
    assert candidates[np.argmin(losses)] == pytest.approx(np.quantile(y, level), rel=1e-12)


def test_log_cosh_is_its_formula() -> None:
    value, d = evaluate(LogCoshSpec(), 4 * A, Y)
    e = 4 * A - Y
    assert value == pytest.approx(np.log(np.cosh(e)).mean(), rel=1e-13)
    np.testing.assert_allclose(d, np.tanh(e) / e.size, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("e", [1e-6, 1e-3, 0.02])
def test_log_cosh_is_precise_near_0(e: float, dtype: type[np.floating]) -> None:
    """Its series: e^2 / 2 - e^4 / 12 + e^6 / 45."""
    value, _ = evaluate(LogCoshSpec(), [[-e]], [[0]], dtype=dtype)
    assert value == pytest.approx(
        e**2 / 2 - e**4 / 12 + e**6 / 45, rel=1e-6 if dtype is np.float32 else 1e-10
    )


@pytest.mark.parametrize("e", [19.999, 20.001, 30.0, 1e4, -1e4])
def test_log_cosh_is_straight_far_out(e: float) -> None:
    assert evaluate(LogCoshSpec(), [[e]], [[0]])[0] == pytest.approx(abs(e) - np.log(2), rel=1e-15)


def test_cosine_against_scipy() -> None:
    value, _ = evaluate(CosineSpec(), A, Y, WEIGHT)
    expected = np.average([cosine(a, y) for a, y in zip(A, Y, strict=True)], weights=WEIGHT)
    assert value == pytest.approx(expected, rel=1e-12)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_cosine_knows_no_length(a: float, y: float) -> None:
    """Nor does it pull at one: the gradient is at right angles to the answer."""
    value, d = evaluate(CosineSpec(), a * A, y * Y)
    assert value == pytest.approx(evaluate(CosineSpec(), A, Y)[0], rel=1e-10)
    np.testing.assert_allclose((d * A).sum(axis=1), 0, atol=1e-12 / a)


def test_a_row_of_zeros_starts_towards_its_target() -> None:
    value, d = evaluate(CosineSpec(), [[0, 0], [3, 4]], [[3, 4], [0, 0]])
    assert value == 1
    np.testing.assert_allclose(d, [[-0.3, -0.4], [0, 0]], rtol=1e-14)


def test_cosine_needs_a_direction() -> None:
    with pytest.raises(InvalidSpec, match="at least 2 outputs"):
        CosineSpec().build((1,), batch=1, dtype=np.dtype(np.float32))
