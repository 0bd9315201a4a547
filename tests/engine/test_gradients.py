"""Every layer and every loss against central differences, and the rules that all of them keep.

A new layer joins a list of `layer_cases`, a new loss joins `LOSSES`: a test fails until it does.
"""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from layer_cases import LayerCase, all_cases, away_from_kinks

from engine.arrays import Array, Shape, size
from engine.layers import LAYER_SPECS, LayerSpec
from engine.layers.combinators import SequentialSpec
from engine.layers.dense import DenseSpec
from engine.layers.flatten import FlattenSpec
from engine.losses import (
    LOSS_SPECS,
    CosineSpec,
    CrossEntropySpec,
    FocalSpec,
    GammaSpec,
    HingeSpec,
    HuberSpec,
    KlDivergenceSpec,
    LogCoshSpec,
    LogLossSpec,
    Loss,
    LossSpec,
    MaeSpec,
    MseSpec,
    PerceptronLossSpec,
    PoissonSpec,
    QuantileSpec,
    SquaredHingeSpec,
    TweedieSpec,
)
from engine.network import Network, NetworkSpec
from engine.summary import summarize

TOLERANCE = 1e-6
LAYERS = all_cases()


@dataclass(frozen=True)
class LossCase:
    spec: LossSpec
    target: str  # of which kind: see `targets`
    shape: Shape = (3,)


LOSSES = [
    LossCase(MseSpec(), "values"),
    LossCase(MseSpec(), "values", (2, 3)),
    LossCase(MaeSpec(), "values"),
    LossCase(HuberSpec(), "values"),
    LossCase(HuberSpec(delta=0.3), "values"),
    LossCase(LogLossSpec(), "labels", (1,)),
    LossCase(LogLossSpec(), "labels"),
    LossCase(CrossEntropySpec(), "classes"),
    LossCase(CrossEntropySpec(), "probabilities", (5,)),
    LossCase(CrossEntropySpec(label_smoothing=0.1), "classes"),
    LossCase(LogLossSpec(label_smoothing=0.3), "labels", (2, 2)),
    LossCase(KlDivergenceSpec(), "classes"),
    LossCase(KlDivergenceSpec(), "probabilities", (5,)),
    LossCase(FocalSpec(), "labels", (1,)),
    LossCase(FocalSpec(gamma=0.5, alpha=0.25), "shares"),
    LossCase(FocalSpec(), "classes"),
    LossCase(FocalSpec(gamma=0.5), "probabilities"),
    LossCase(FocalSpec(gamma=0), "classes"),
    LossCase(HingeSpec(), "labels", (1,)),
    LossCase(HingeSpec(), "shares"),
    LossCase(HingeSpec(), "classes"),
    LossCase(SquaredHingeSpec(), "labels"),
    LossCase(SquaredHingeSpec(), "shares", (2, 2)),
    LossCase(SquaredHingeSpec(), "classes", (5,)),
    LossCase(PerceptronLossSpec(), "labels"),
    LossCase(PerceptronLossSpec(), "shares"),
    LossCase(PerceptronLossSpec(), "classes"),
    LossCase(LogCoshSpec(), "values"),
    LossCase(QuantileSpec(level=0.9), "values"),
    LossCase(CosineSpec(), "values"),
    LossCase(CosineSpec(), "values", (2, 2)),
    LossCase(PoissonSpec(), "counts"),
    LossCase(GammaSpec(), "amounts"),
    LossCase(TweedieSpec(), "counts"),
    LossCase(TweedieSpec(power=1.1), "amounts", (2, 2)),
    LossCase(TweedieSpec(power=1), "counts", (1,)),
    LossCase(TweedieSpec(power=2), "amounts", (1,)),
]

each_layer = pytest.mark.parametrize("case", LAYERS, ids=lambda case: f"{case.spec!r}{case.in_shape}")
each_loss = pytest.mark.parametrize("case", LOSSES, ids=lambda case: f"{case.spec!r}{case.shape}")
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def targets(case: LossCase, rows: int) -> Array:
    rng = np.random.default_rng(2)
    shape, classes = (rows, *case.shape), case.shape[0]
    of_kind = {
        "values": lambda: rng.standard_normal(shape),
        "labels": lambda: rng.integers(0, 2, shape).astype(float),
        "shares": lambda: rng.random(shape),
        "classes": lambda: np.eye(classes)[rng.integers(0, classes, rows)],
        "probabilities": lambda: rng.dirichlet(np.ones(classes), rows),
        "counts": lambda: rng.poisson(1.5, shape).astype(float),
        "amounts": lambda: rng.gamma(2.0, 0.5, shape),
    }
    return of_kind[case.target]()


def network_of(
    *layers: LayerSpec, in_shape: Shape, batch: int = 8, dtype: type[np.floating] = np.float64
) -> Network:
    """A network whose parameters are the same numbers, and whose masks are the same, each time."""
    spec = NetworkSpec(layers=layers).resolve(3)
    network = Network(
        spec, in_shape, batch=batch, rng=np.random.default_rng(7), dtype=dtype, input_gradient=True
    )
    network.theta[:] = np.random.default_rng(8).normal(0, 0.5, network.theta.size)
    return network


def loss_of(case: LossCase, batch: int = 8, dtype: type[np.floating] = np.float64) -> Loss:
    exclusive = case.target in {"classes", "probabilities"}
    build = case.spec.build_for_classes if exclusive else case.spec.build
    return build(case.shape, batch=batch, dtype=np.dtype(dtype))


def central_differences(cost: Callable[[Array], float], point: Array, h: float = 1e-5) -> Array:
    """(C(x + h) - C(x - h)) / 2h for each x of `point`."""
    gradient = np.empty_like(point)
    for i in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = (cost(up) - cost(down)) / (2 * h)
    return gradient


def relative_error(a: Array, b: Array) -> float:
    """|a - b| / (|a| + |b|), and 0 where both are 0."""
    scale = np.linalg.norm(a) + np.linalg.norm(b)
    return float(np.linalg.norm(a - b) / scale) if scale > 0 else 0.0


def assert_gradients(
    case: LayerCase,
    make: Callable[[], Network],
    x: Array,
    cost: Callable[[Array], float],
    d_cost: Callable[[Array], Array],
    *,
    train: bool = True,
) -> None:
    """Check dC/dx and dC/dtheta of cost(network(x)), with the same masks in each evaluation."""
    network = make()
    theta = network.theta.copy()
    dx = network.backward(d_cost(network.forward(x, train=train))).copy()

    def cost_at(theta: Array, x: Array) -> float:
        probe = make()
        probe.theta[:] = theta
        return cost(probe.forward(x, train=train))

    if case.differentiable_input:
        assert relative_error(dx, central_differences(lambda x: cost_at(theta, x), x)) <= TOLERANCE
    else:
        assert not dx.any()
    d_theta = central_differences(lambda theta: cost_at(theta, x), theta)
    assert relative_error(network.grad, d_theta) <= TOLERANCE


def test_every_kind_has_a_case() -> None:
    assert {type(case.spec) for case in LAYERS} == set(LAYER_SPECS)
    assert {type(case.spec) for case in LOSSES} == set(LOSS_SPECS)


@each_layer
@pytest.mark.parametrize(
    "train",
    [pytest.param(True, id="training"), pytest.param(False, id="evaluation", marks=pytest.mark.slow)],
)
def test_layer_alone(case: LayerCase, train: bool) -> None:
    """The cost is a random projection of the layer's output."""
    x = case.make_x((5, *case.in_shape))
    y = network_of(case.spec, in_shape=case.in_shape).forward(x)
    direction = np.random.default_rng(3).standard_normal(y.shape)
    assert_gradients(
        case,
        lambda: network_of(case.spec, in_shape=case.in_shape),
        x,
        lambda y: float(np.sum(direction * y)),
        lambda y: direction.copy(),
        train=train,
    )


@pytest.mark.slow
@each_layer
def test_layer_in_a_network(case: LayerCase) -> None:
    """Between two dense layers, or at the start where it takes something else, under a cross-entropy."""
    flat = len(case.in_shape) == 1 and case.differentiable_input
    before = (DenseSpec(units=case.in_shape[0]),) if flat else ()
    layers = (*before, case.spec, FlattenSpec(), DenseSpec())
    in_shape = (2,) if before else case.in_shape
    loss_case = LossCase(CrossEntropySpec(), "classes")
    loss, y = loss_of(loss_case), targets(loss_case, 5)
    d = np.empty_like(y)

    def d_cost(output: Array) -> Array:
        loss(output, y, None, d)
        return d

    assert_gradients(
        case,
        lambda: network_of(*layers, in_shape=in_shape),
        (away_from_kinks if before else case.make_x)((5, *in_shape)),
        lambda output: loss.value(output, y, None),
        d_cost,
    )


@pytest.mark.slow
@each_layer
def test_layer_within_a_layer_without_input_gradient(case: LayerCase) -> None:
    """Parameters get the same gradients where nobody reads the gradient of x."""
    x = case.make_x((5, *case.in_shape))
    spec = NetworkSpec(layers=(SequentialSpec(layers=(case.spec,)),)).resolve(3)
    gradients = []
    for input_gradient in (True, False):
        network = Network(
            spec,
            case.in_shape,
            batch=8,
            rng=np.random.default_rng(7),
            dtype=np.float64,
            input_gradient=input_gradient,
        )
        network.theta[:] = np.random.default_rng(8).normal(0, 0.5, network.theta.size)
        network.backward(np.ones_like(network.forward(x, train=True)))
        gradients.append(network.grad)
    np.testing.assert_array_equal(*gradients)


@each_loss
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 0.0, 1.0, 3.0]], ids=["even", "weighted"])
def test_loss(case: LossCase, weight: list[float] | None) -> None:
    y = targets(case, 5)
    z = y + away_from_kinks(y.shape)
    w = None if weight is None else np.array(weight)
    loss, d = loss_of(case), np.full_like(z, np.nan)
    value = loss(z, y, w, d)
    assert value == loss.value(z, y, w)
    assert relative_error(d, central_differences(lambda z: loss.value(z, y, w), z)) <= TOLERANCE


@each_layer
@each_dtype
def test_layer_keeps_its_input(case: LayerCase, dtype: type[np.floating]) -> None:
    network = network_of(case.spec, in_shape=case.in_shape, dtype=dtype)
    x = case.make_x((5, *case.in_shape)).astype(dtype)
    kept = x.copy()
    y = network.forward(x, train=True)
    dx = network.backward(np.ones_like(y))
    assert x.tobytes() == kept.tobytes()
    assert y.dtype == dx.dtype == dtype
    assert y.shape == (5, *network.out_shape)
    assert dx.shape == x.shape
    assert y.flags.c_contiguous
    assert dx.flags.c_contiguous


@each_loss
@each_dtype
def test_loss_keeps_outputs_and_targets(case: LossCase, dtype: type[np.floating]) -> None:
    y = targets(case, 5).astype(dtype)
    z = away_from_kinks(y.shape).astype(dtype)
    kept = z.tobytes(), y.tobytes()
    loss_of(case, dtype=dtype)(z, y, np.ones(5, dtype), np.empty_like(z))
    assert (z.tobytes(), y.tobytes()) == kept


@pytest.mark.slow
@each_layer
def test_layer_takes_a_smaller_batch(case: LayerCase) -> None:
    """After a full batch, a smaller one gives what a network made for it gives."""
    full, small = (network_of(case.spec, in_shape=case.in_shape, batch=batch) for batch in (8, 3))
    x = case.make_x((8, *case.in_shape))
    y = full.forward(x)
    full.backward(np.ones_like(y))
    results = []
    for network in (full, small):
        y = network.forward(x[:3])
        dx = network.backward(np.full_like(y, 0.5))
        results.append((y.copy(), dx.copy(), network.grad.copy()))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@each_loss
def test_loss_takes_a_smaller_batch(case: LossCase) -> None:
    y = targets(case, 8)
    z = away_from_kinks(y.shape)
    full, small = loss_of(case, batch=8), loss_of(case, batch=3)
    full(z, y, None, np.empty_like(z))
    d, expected = np.empty_like(z[:3]), np.empty_like(z[:3])
    assert full(z[:3], y[:3], None, d) == pytest.approx(small(z[:3], y[:3], None, expected), rel=1e-12)
    np.testing.assert_allclose(d, expected, rtol=1e-12)


EXTREMES = (1e4, -1e4, 0.0, -0.0)


@each_layer
@each_dtype
def test_layer_is_stable(case: LayerCase, dtype: type[np.floating]) -> None:
    network = network_of(case.spec, in_shape=case.in_shape, dtype=dtype)
    for value in EXTREMES:
        x = np.full((5, *case.in_shape), value, dtype)
        x.reshape(5, -1)[:, 0] *= -1
        y = network.forward(x, train=True)
        dx = network.backward(np.ones_like(y))
        assert np.isfinite(y).all(), value
        assert np.isfinite(dx).all(), value


@each_loss
@each_dtype
def test_loss_is_stable(case: LossCase, dtype: type[np.floating]) -> None:
    y = targets(case, 5).astype(dtype)
    for value in EXTREMES:
        z = np.full(y.shape, value, dtype)
        z[:, 0] *= -1
        d = np.empty_like(z)
        assert np.isfinite(loss_of(case, dtype=dtype)(z, y, None, d)), value
        assert np.isfinite(d).all(), value


@pytest.mark.slow
@each_layer
def test_layer_in_both_precisions(case: LayerCase) -> None:
    """float32 computes what float64 does; in evaluation, since masks of the two differ."""
    results = []
    for dtype in (np.float64, np.float32):
        network = network_of(case.spec, in_shape=case.in_shape, dtype=dtype)
        y = network.forward(case.make_x((5, *case.in_shape)).astype(dtype))
        results.append((y, network.backward(np.full_like(y, 0.5)), network.grad))
    for double, single in zip(*results, strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-6)


@each_loss
def test_loss_in_both_precisions(case: LossCase) -> None:
    y = targets(case, 5)
    z = away_from_kinks(y.shape)
    d, d32 = np.empty_like(z), np.empty_like(z, np.float32)
    value = loss_of(case)(z, y, None, d)
    single = loss_of(case, dtype=np.float32)(z.astype(np.float32), y.astype(np.float32), None, d32)
    assert single == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(d32, d, rtol=1e-5, atol=1e-6)


LARGEST_PASSING_ALLOCATION = 100_000
"""Bytes: above a ufunc's own buffer for casts, far below any array of the two tests that follow."""


def peak_of(step: Callable[[], object]) -> int:
    """The bytes that one more step allocates at its peak."""
    step()
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def large_batch(case: LayerCase) -> int:
    """Rows whose output is far larger than what may be allocated in passing."""
    network = network_of(case.spec, in_shape=case.in_shape)
    return 400_000 // max(size(case.in_shape), size(network.out_shape))


@pytest.mark.slow
@each_layer
def test_layer_allocates_nothing(case: LayerCase) -> None:
    batch = large_batch(case)
    network = network_of(case.spec, in_shape=case.in_shape, batch=batch, dtype=np.float32)
    x = case.make_x((batch, *case.in_shape)).astype(np.float32)
    first = network.forward(x, train=True)
    dy = np.ones_like(first)
    first_dx = network.backward(dy)

    def step() -> None:
        assert np.shares_memory(network.forward(x, train=True), first)
        assert np.shares_memory(network.backward(dy), first_dx)

    assert peak_of(step) < LARGEST_PASSING_ALLOCATION


@pytest.mark.slow
@each_layer
def test_layer_takes_the_memory_that_it_promises(case: LayerCase) -> None:
    """Within 10 %, and a few KiB for Python's own objects."""
    batch = large_batch(case)
    spec = NetworkSpec(layers=(case.spec,)).resolve(3)
    promised = summarize(spec, case.in_shape, batch=batch, slots=0).training_bytes
    tracemalloc.start()
    try:
        network = Network(spec, case.in_shape, batch=batch, rng=np.random.default_rng(7), input_gradient=True)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert network.batch == batch
    assert taken == pytest.approx(promised, rel=0.1, abs=64 * 1024)


@each_loss
def test_loss_allocates_nothing(case: LossCase) -> None:
    batch = 100_000
    loss = loss_of(case, batch=batch, dtype=np.float32)
    y = targets(case, batch).astype(np.float32)
    z, d, w = y + np.float32(0.5), np.empty_like(y), np.ones(batch, np.float32)

    def step() -> None:
        loss(z, y, None, d)
        loss(z, y, w, d)

    assert peak_of(step) < LARGEST_PASSING_ALLOCATION
