"""L-BFGS and its line search, on functions whose minimum is known."""

import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from engine.network import Segment
from engine.optimizers import LbfgsSpec
from engine.optimizers.line_search import CURVATURE, DECREASE, EVALUATIONS, Point, strong_wolfe

Function = Callable[[np.ndarray], float]
Slope = Callable[[np.ndarray], np.ndarray]


class Minimizer:
    """L-BFGS at work on a function."""

    def __init__(self, f: Function, df: Slope, start, dtype=np.float64, rates=None, **options) -> None:
        self.theta = np.array(start, dtype)
        self.grad = np.zeros_like(self.theta)
        self.evaluations = 0
        self._f, self._df = f, df
        self.optimizer = LbfgsSpec(**options).build()
        size = len(self.theta)
        segments = [
            Segment(f"{i}.W", slice(i, i + 1), (1,), rate) for i, rate in enumerate(rates or [1.0] * size)
        ]
        self.optimizer.bind(segments, size, dtype)

    def closure(self) -> float:
        self.evaluations += 1
        self.grad[:] = self._df(self.theta)
        return float(self._f(self.theta))

    def costs(self, steps: int) -> list[float]:
        costs = []
        for _ in range(steps):
            self.optimizer.step(self.theta, self.grad, 1.0, self.closure)
            costs.append(float(self._f(self.theta)))
        return costs


def quadratic(size: int, condition: float) -> tuple[Function, Slope, np.ndarray]:
    """(x - c)^T A (x - c) / 2 with eigenvalues from 1 to `condition`, and its minimum c."""
    rng = np.random.default_rng(size)
    q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    a, c = (q * np.geomspace(1, condition, size)) @ q.T, rng.normal(size=size)
    return (lambda x: (x - c) @ a @ (x - c) / 2), (lambda x: a @ (x - c)), c


@pytest.mark.slow
@pytest.mark.parametrize("start", [[-1.2, 1.0], [-1.2, 1.0, 1.5, 2.0], [3.0] * 6])
def test_minimises_rosenbrock_in_about_the_steps_of_scipy(start):
    peer = minimize(
        rosen, start, jac=rosen_der, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-8, "maxcor": 10}
    )
    run = Minimizer(rosen, rosen_der, start)
    costs = run.costs(round(1.3 * peer.nit))
    assert run.theta == pytest.approx(peer.x, abs=1e-6)
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(costs))


@pytest.mark.parametrize(("size", "condition"), [(1, 1.0), (4, 10.0), (8, 10.0), (16, 4.0)])
def test_minimises_a_quadratic_in_little_more_steps_than_it_has_dimensions(size: int, condition: float):
    f, df, goal = quadratic(size, condition)
    run = Minimizer(f, df, np.zeros(size), history=20)
    run.costs(size + 6)
    assert run.theta == pytest.approx(goal, abs=1e-5)


def test_iterations_of_one_step_are_as_good_as_steps_and_save_evaluations():
    one, many = (Minimizer(rosen, rosen_der, [-1.2, 1.0], iterations=n) for n in (1, 5))
    one.costs(20)
    many.costs(4)
    assert np.array_equal(one.theta, many.theta)
    assert many.evaluations == one.evaluations - 20 + 4


def test_memory_is_all_in_slots_and_step_count():
    whole, first = (Minimizer(rosen, rosen_der, [-1.2, 1.0, 0.5], history=3) for _ in range(2))
    whole.costs(12)
    first.costs(7)
    second = Minimizer(rosen, rosen_der, first.theta, history=3)
    second.optimizer.step_count = first.optimizer.step_count
    for name, slot in first.optimizer.slots.items():
        second.optimizer.slots[name][:] = slot
    second.costs(5)
    assert np.array_equal(second.theta, whole.theta)


def test_a_rate_of_zero_holds_a_parameter_fast():
    """The others go where the function has its minimum without it."""
    run = Minimizer(rosen, rosen_der, [-1.2, 1.0, 1.5], rates=[1.0, 1.0, 0.0])
    run.costs(60)
    peer = minimize(lambda x: rosen([*x, 1.5]), [-1.2, 1.0])
    assert run.theta[2] == 1.5
    assert run.theta[:2] == pytest.approx(peer.x, abs=1e-4)


def test_rates_are_a_scale_of_the_parameters():
    """With x = r^(1/2) z the start of H in z is gamma I: the same way, seen from x."""
    rates = np.array([4.0, 0.25, 1.0])
    scale = np.sqrt(rates)
    start = np.array([-1.2, 1.0, 1.5])
    run = Minimizer(rosen, rosen_der, start, rates=list(rates))
    scaled = Minimizer(
        lambda z: rosen(z * scale), lambda z: rosen_der(z * scale) * scale, start / scale, history=10
    )
    # The first step is shortened by the direction's length, which is another in z: begin with a pair each.
    for each, unit in ((run, 1.0), (scaled, scale)):
        each.optimizer.slots["s0"][:] = np.array([0.01, 0.02, 0.03]) / unit
        each.optimizer.slots["y0"][:] = np.array([1.0, 2.0, 3.0]) * unit
        each.optimizer.step_count = 1
        each.costs(10)
    assert run.theta == pytest.approx(scaled.theta * scale, rel=1e-6)


def test_at_the_minimum_it_stays():
    run = Minimizer(rosen, rosen_der, [1.0, 1.0])
    assert run.costs(3) == [0, 0, 0]
    assert run.theta.tolist() == [1, 1]
    assert run.optimizer.step_count == 3


def test_in_float32_it_settles_without_long_searches():
    f, df, goal = quadratic(6, 100.0)
    run = Minimizer(f, df, np.zeros(6), dtype=np.float32)
    run.costs(40)
    assert run.theta == pytest.approx(goal, abs=1e-4)
    before = run.evaluations
    run.costs(20)
    assert run.evaluations - before <= 20 * 6


def test_where_the_cost_is_not_finite_it_turns_back():
    """log x has no value left of 0: x - log x, from far left steps included."""

    def f(x):
        return float(np.sum(x - np.log(x)) if (x > 0).all() else np.nan)

    run = Minimizer(f, lambda x: 1 - 1 / np.where(x > 0, x, np.nan), [0.01, 30.0])
    run.costs(40)
    assert run.theta == pytest.approx([1, 1], abs=1e-5)


def test_needs_a_closure():
    optimizer = LbfgsSpec().build()
    optimizer.bind([Segment("0.W", slice(0, 2), (2,))], 2, np.float64)
    with pytest.raises(ValueError, match="closure"):
        optimizer.step(np.zeros(2), np.zeros(2), 1.0)


def test_a_step_allocates_nothing_of_the_size_of_theta():
    size = 100_000
    theta, grad = np.ones(size, np.float32), np.empty(size, np.float32)
    squares = np.empty_like(grad)

    def closure() -> float:
        np.multiply(theta, 2.0, out=grad)
        return float(np.square(theta, out=squares).sum())

    spec = LbfgsSpec(history=4)
    optimizer = spec.build()
    tracemalloc.start()
    try:
        optimizer.bind([Segment("0.W", slice(0, size), (size,))], size, np.float32)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(6):
            optimizer.step(theta, grad, 0.1, closure)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held == pytest.approx(4 * size * (spec.slots + 0.65536), rel=0.01)  # with the block of scratch
    assert peak - held < 8192


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.floats(0.05, 20),
    st.floats(-3, 3),
    st.floats(0, 2),
    st.sampled_from([1e-3, 0.1, 1.0, 30.0]),
)
def test_the_strong_wolfe_conditions_hold(width: float, shift: float, wave: float, first: float):
    """On ((a - w) / w)^2 with waves on it."""

    def f(a: float) -> Point:
        t = (a - width) / width
        cost = t * t + wave * np.cos(3 * t + shift) / 10
        slope = (2 * t - 0.3 * wave * np.sin(3 * t + shift)) / width
        return Point(a, float(cost), float(slope))

    start, looks = f(0.0), 0

    def look(a: float) -> Point:
        nonlocal looks
        looks += 1
        return f(a)

    assert start.slope < 0
    found = strong_wolfe(look, start, first, rounding=1e-16)
    assert found is not None
    assert looks <= EVALUATIONS
    assert found == f(found.step)
    assert found.cost <= start.cost + DECREASE * found.step * start.slope + 1e-12
    assert abs(found.slope) <= CURVATURE * abs(start.slope)


def test_a_line_that_only_rises_has_no_better_point():
    """A slope that promises what the cost does not keep."""
    start = Point(0.0, 1.0, -1.0)
    assert strong_wolfe(lambda a: Point(a, 1.0 + a, 1.0), start, 1.0, rounding=1e-16) is None


def test_a_rate_of_zero_moves_nothing() -> None:
    """Where a schedule ends, or coslog4 begins."""
    f, df, c = quadratic(3, 10)
    minimizer = Minimizer(f, df, [10.0, 10.0, 10.0])
    before = minimizer.theta.copy()
    minimizer.optimizer.step(minimizer.theta, minimizer.grad, 0.0, minimizer.closure)
    np.testing.assert_array_equal(minimizer.theta, before)
    minimizer.costs(30)
    np.testing.assert_allclose(minimizer.theta, c, atol=1e-6)
