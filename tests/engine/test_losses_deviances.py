"""Losses with a log link: against scikit-learn's deviances, far out, and between one power and the next."""

from math import e, exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_values import evaluate
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance, mean_tweedie_deviance

from engine.losses import LARGEST_LOGARITHM, DevianceSpec, GammaSpec, PoissonSpec, TweedieSpec

rng = np.random.default_rng(9)
ROWS = 60
Z, WEIGHT = rng.normal(0, 1.5, ROWS), rng.random(ROWS)
COUNTS, AMOUNTS = rng.poisson(2.0, ROWS).astype(float), rng.gamma(0.7, 3.0, ROWS)

SPECS = [PoissonSpec(), GammaSpec(), TweedieSpec(power=1.2), TweedieSpec(power=1.9)]
each_spec = pytest.mark.parametrize("spec", SPECS, ids=repr)


def deviance(
    spec: DevianceSpec, z: float, y: float, dtype: type[np.floating] = np.float64
) -> tuple[float, float]:
    value, d = evaluate(spec, [[z]], [[y]], dtype=dtype)
    return value, float(d[0, 0])


def test_poisson_against_sklearn() -> None:
    assert 0 in COUNTS
    value, _ = evaluate(PoissonSpec(), Z[:, None], COUNTS[:, None], WEIGHT)
    assert value == pytest.approx(mean_poisson_deviance(COUNTS, np.exp(Z), sample_weight=WEIGHT), rel=1e-12)


def test_gamma_against_sklearn() -> None:
    value, _ = evaluate(GammaSpec(), Z[:, None], AMOUNTS[:, None], WEIGHT)
    assert value == pytest.approx(mean_gamma_deviance(AMOUNTS, np.exp(Z), sample_weight=WEIGHT), rel=1e-12)


@pytest.mark.parametrize("power", [1, 1.01, 1.3, 1.5, 1.9, 1.99, 2])
def test_tweedie_against_sklearn(power: float) -> None:
    y = COUNTS if power < 2 else AMOUNTS
    value, _ = evaluate(TweedieSpec(power=power), Z[:, None], y[:, None], WEIGHT)
    expected = mean_tweedie_deviance(y, np.exp(Z), sample_weight=WEIGHT, power=power)
    assert value == pytest.approx(expected, rel=1e-10)


def test_by_hand() -> None:
    """mu = e, y = 1: 2 (log(1 / e) - 1 + e) = 2 (e - 2); the slope is 2 (e - 1). y = 0: 2 e, twice."""
    assert deviance(PoissonSpec(), 1, 1) == pytest.approx((2 * (e - 2), 2 * (e - 1)), rel=1e-14)
    assert deviance(PoissonSpec(), 1, 0) == pytest.approx((2 * e, 2 * e), rel=1e-14)
    assert deviance(GammaSpec(), 1, 1) == pytest.approx((2 / e, 2 * (1 - 1 / e)), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("power", "limit"), [(1 + 1e-9, PoissonSpec()), (2 - 1e-9, GammaSpec())])
def test_nothing_cancels_near_the_ends(power: float, limit: DevianceSpec, dtype: type[np.floating]) -> None:
    for z, y in ((0.5, 2.0), (-3.0, 0.1), (4.0, 60.0)):
        value, slope = deviance(TweedieSpec(power=power), z, y, dtype)
        assert (value, slope) == pytest.approx(deviance(limit, z, y), rel=2e-5)


@pytest.mark.slow
@each_spec
@given(z=st.floats(-1e4, 1e4), y=st.floats(1e-3, 1e6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_it_is_a_distance_and_shows_the_way(spec: DevianceSpec, z: float, y: float) -> None:
    """Not negative up to rounding, and the slope has the sign of z - log y; in float32, however far out."""
    value, slope = deviance(spec, z, y, np.float32)
    assert np.isfinite(value)
    assert np.isfinite(slope)
    assert value >= -1e-5 * max(1, y)
    if abs(z - log(y)) > 1e-3:
        assert np.sign(slope) == np.sign(z - log(y))


@each_spec
@pytest.mark.parametrize("y", [0.5, 3.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_beyond_the_cut_it_goes_on_as_its_tangent(spec: DevianceSpec, y: float, side: int) -> None:
    cut = side * LARGEST_LOGARITHM
    value, slope = deviance(spec, cut, y)
    far, slope_far = deviance(spec, cut + 7 * side, y)
    assert slope_far == slope
    assert far == pytest.approx(value + 7 * side * slope, rel=1e-12)


def test_a_mean_of_a_constant_is_found() -> None:
    """Every deviance is least, over one z for all rows, at the logarithm of the mean."""
    for spec in SPECS:
        z = np.full((ROWS, 1), log(AMOUNTS.mean()))
        _, d = evaluate(spec, z, AMOUNTS[:, None])
        assert d.sum() == pytest.approx(0, abs=1e-12)


def test_what_may_be_zero() -> None:
    zero = [spec.allows_zero for spec in (PoissonSpec(), TweedieSpec(), TweedieSpec(power=1))]
    assert zero == [True, True, True]
    assert not GammaSpec().allows_zero
    assert not TweedieSpec(power=2).allows_zero
    assert deviance(TweedieSpec(power=1.5), 2, 0) == pytest.approx((4 * exp(1), 2 * exp(1)), rel=1e-14)
