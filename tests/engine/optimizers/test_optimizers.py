"""Every optimizer, step by step, against the recursion of its paper in naive expressions."""

import tracemalloc

import numpy as np
import paper_formulas as paper
import pytest
from pydantic import TypeAdapter, ValidationError

from engine.network import Segment
from engine.optimizers import (
    BLOCK,
    OPTIMIZER_SPECS,
    AdadeltaSpec,
    AdagradSpec,
    AdamaxSpec,
    AdamSpec,
    AdamWSpec,
    AmsGradSpec,
    AnyOptimizer,
    LambSpec,
    LbfgsSpec,
    LionSpec,
    NAdamSpec,
    OptimizerSpec,
    PerceptronRuleSpec,
    RAdamSpec,
    RmspropSpec,
    RpropSpec,
    SgdSpec,
    blocks,
)

STEPS = 25


def alike(spec: OptimizerSpec, update: paper.Update) -> tuple[OptimizerSpec, paper.Update, paper.Update]:
    return spec, update, update


def decaying(spec: OptimizerSpec, update: paper.Update) -> tuple[OptimizerSpec, paper.Update, paper.Update]:
    return spec, paper.decaying(update, spec.weight_decay), update


CASES: list[tuple[OptimizerSpec, paper.Update, paper.Update]] = [  # the last one for segments without decay
    alike(SgdSpec(), paper.sgd),
    alike(SgdSpec(momentum=0.9), paper.momentum),
    alike(SgdSpec(momentum=0.9, nesterov=True), paper.nesterov),
    decaying(SgdSpec(momentum=0.9, weight_decay=0.1), paper.momentum),
    alike(PerceptronRuleSpec(learning_rate=0.1), paper.sgd),
    alike(AdamSpec(), paper.adam()),
    alike(AdamSpec(beta1=0.5, beta2=0.9, epsilon=1e-3), paper.adam(0.5, 0.9, 1e-3)),
    alike(AdamSpec(beta1=0.0, beta2=0.0), paper.adam(0.0, 0.0)),
    decaying(AdamWSpec(weight_decay=0.1), paper.adam()),
    alike(AdamWSpec(weight_decay=0.0), paper.adam()),
    decaying(AmsGradSpec(beta2=0.6, weight_decay=0.1), paper.amsgrad(beta2=0.6)),
    decaying(AdamaxSpec(beta2=0.8, weight_decay=0.1), paper.adamax(beta2=0.8)),
    alike(NAdamSpec(), paper.nadam()),
    decaying(NAdamSpec(beta1=0.7, momentum_decay=0.5, weight_decay=0.1), paper.nadam(0.7, psi=0.5)),
    decaying(RAdamSpec(weight_decay=0.1), paper.radam()),
    alike(RAdamSpec(beta2=0.5), paper.radam(beta2=0.5)),  # never rectified
    decaying(AdagradSpec(weight_decay=0.1), paper.adagrad),
    decaying(RmspropSpec(rho=0.8, epsilon=1e-3, weight_decay=0.1), paper.rmsprop(0.8, 1e-3)),
    alike(RmspropSpec(momentum=0.9), paper.rmsprop(mu=0.9)),
    alike(RmspropSpec(centered=True, epsilon=1e-3), paper.rmsprop(centered=True, epsilon=1e-3)),
    alike(
        RmspropSpec(centered=True, momentum=0.5, epsilon=1e-3),
        paper.rmsprop(centered=True, mu=0.5, epsilon=1e-3),
    ),
    decaying(AdadeltaSpec(weight_decay=0.1), paper.adadelta()),
    decaying(LionSpec(beta1=0.8, weight_decay=0.1), paper.lion(beta1=0.8)),
    (LambSpec(weight_decay=0.1), paper.lamb(0.1), paper.adam(epsilon=1e-6)),
    (LambSpec(weight_decay=0.0), paper.lamb(0.0), paper.adam(epsilon=1e-6)),
    alike(RpropSpec(), paper.rprop()),
    alike(
        RpropSpec(increase=1.5, decrease=0.3, smallest=0.005, largest=0.02),
        paper.rprop(0.01, 1.5, 0.3, 0.005, 0.02),
    ),
]


def make_segments(*parts: tuple[int, float, bool]) -> list[Segment]:
    segments, start = [], 0
    for i, (size, rate, decay) in enumerate(parts):
        segments.append(Segment(f"{i}.W", slice(start, start + size), (size,), rate, decay))
        start += size
    return segments


SMALL = make_segments((7, 1.0, True), (3, 1.0, False), (5, 0.5, True), (1, 0.5, False), (4, 1.0, True))
LARGE = make_segments(
    (BLOCK - 5, 1.0, True), (10, 1.0, False), (BLOCK + 3, 1.0, True), (BLOCK * 2, 0.1, True)
)
SLOW = (RpropSpec,)  # whose formula is a loop in Python over the parameters


def test_every_kind_has_a_case():
    assert {type(spec) for spec, _, _ in CASES} | {LbfgsSpec} == set(OPTIMIZER_SPECS)


@pytest.mark.parametrize(
    "segments", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("spec", "decayed", "free"), CASES, ids=lambda case: str(case) if isinstance(case, OptimizerSpec) else ""
)
def test_follows_the_paper(
    spec: OptimizerSpec, decayed: paper.Update, free: paper.Update, segments: list[Segment]
):
    rng = np.random.default_rng(1)
    size = segments[-1].slice.stop
    theta, grad = rng.normal(size=size), np.empty(size)
    expected, memories = theta.copy(), [{} for _ in segments]
    optimizer = spec.build()
    optimizer.bind(segments, size, np.float64)
    steps = STEPS if size < 100 else 2 if isinstance(spec, SLOW) else 6

    for t in range(1, steps + 1):
        grad[:] = theta + rng.normal(size=size)
        before, eta = grad.copy(), spec.learning_rate * (1 + t % 3)
        optimizer.step(theta, grad, eta)
        for segment, memory in zip(segments, memories, strict=True):
            part, update = segment.slice, decayed if segment.decay else free
            expected[part] = update(expected[part], grad[part], eta * segment.rate, t, memory)

        assert np.array_equal(grad, before), "the gradient stays as it is"
        np.testing.assert_allclose(theta, expected, rtol=1e-11, atol=1e-13)
    assert optimizer.step_count == steps


@pytest.mark.parametrize(
    ("spec", "slots"),
    [
        (SgdSpec(), 0),
        (SgdSpec(momentum=0.5), 1),
        (AdamSpec(), 2),
        (AmsGradSpec(), 3),
        (RmspropSpec(), 1),
        (RmspropSpec(centered=True, momentum=0.1), 3),
        (LionSpec(), 1),
    ],
)
def test_slots_are_what_a_parameter_costs(spec: OptimizerSpec, slots: int):
    optimizer = spec.build()
    optimizer.bind(SMALL, 20, np.float32)

    assert spec.slots == len(optimizer.slots) == slots
    assert all(slot.shape == (20,) and slot.dtype == np.float32 for slot in optimizer.slots.values())
    assert optimizer.step_count == 0


@pytest.mark.parametrize("spec", [spec for spec, _, _ in CASES], ids=str)
def test_memory_is_all_in_slots_and_step_count(spec: OptimizerSpec):
    rng = np.random.default_rng(2)
    whole, grads = rng.normal(size=20), rng.normal(size=(6, 20))
    parted = whole.copy()
    straight, first, second = spec.build(), spec.build(), spec.build()
    for optimizer in (straight, first, second):
        optimizer.bind(SMALL, 20, np.float64)
    for grad in grads:
        straight.step(whole, grad, 0.1)

    for grad in grads[:3]:
        first.step(parted, grad, 0.1)
    second.step_count = first.step_count
    for name, slot in first.slots.items():
        second.slots[name][:] = slot
    for grad in grads[3:]:
        second.step(parted, grad, 0.1)
    assert np.array_equal(parted, whole)


@pytest.mark.parametrize("spec", [spec for spec, _, _ in CASES], ids=str)
def test_a_step_allocates_nothing(spec: OptimizerSpec):
    size = LARGE[-1].slice.stop
    theta, grad = np.ones(size, np.float32), np.ones(size, np.float32)
    optimizer = spec.build()
    optimizer.bind(LARGE, size, np.float32)
    optimizer.step(theta, grad, 0.1)

    tracemalloc.start()
    try:
        optimizer.step(theta, grad, 0.1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096


@pytest.mark.parametrize("spec", [spec for spec, _, _ in CASES], ids=str)
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e4])
def test_any_gradient_leaves_float32_finite(spec: OptimizerSpec, size: float):
    theta, grad = np.ones(20, np.float32), np.full(20, size, np.float32)
    optimizer = spec.build()
    optimizer.bind(SMALL, 20, np.float32)
    for _ in range(20):
        optimizer.step(theta, grad, spec.learning_rate)
    assert np.isfinite(theta).all()


def test_other_arrays_are_as_good():
    """The views that are kept belong to the arrays of the last call."""
    optimizer = SgdSpec().build()
    optimizer.bind(SMALL, 20, np.float64)
    grad = np.ones(20)
    for theta in (np.zeros(20), np.zeros(20)):
        optimizer.step(theta, grad, 1.0)
        assert theta == pytest.approx(np.repeat([-1.0, -0.5, -1.0], [10, 6, 4]))
    optimizer.step(theta, np.zeros(20), 1.0)
    assert theta == pytest.approx(np.repeat([-1.0, -0.5, -1.0], [10, 6, 4]))


def test_blocks_cover_each_parameter_once_and_merge_equal_rates():
    merged = list(blocks(SMALL))
    assert [(b.part, b.rate) for b in merged] == [
        (slice(0, 10), 1.0),
        (slice(10, 16), 0.5),
        (slice(16, 20), 1.0),
    ]
    assert [b.decayed for b in merged] == [(slice(0, 7),), (slice(0, 5),), (slice(0, 4),)]

    decay, covered = np.zeros(LARGE[-1].slice.stop), np.zeros(LARGE[-1].slice.stop)
    for part, _, decayed, _ in blocks(LARGE):
        assert part.stop - part.start <= BLOCK
        covered[part] += 1
        for run in decayed:
            decay[part][run] += 1
    assert (covered == 1).all()
    for segment in LARGE:
        assert (decay[segment.slice] == segment.decay).all()


@pytest.mark.parametrize("spec", [spec for spec, _, _ in CASES], ids=str)
def test_a_gradient_of_zero_moves_nothing(spec: OptimizerSpec):
    theta = np.ones(20, np.float32)
    optimizer = spec.model_copy(update={"weight_decay": 0.0}).build()
    optimizer.bind(SMALL, 20, np.float32)
    optimizer.step(theta, np.zeros(20, np.float32), 1.0)
    assert (theta == 1).all()


CONVERGING = [
    SgdSpec(learning_rate=0.1, momentum=0.5),
    PerceptronRuleSpec(learning_rate=0.1),
    AdamSpec(learning_rate=0.1),
    AdamWSpec(learning_rate=0.1, weight_decay=0.0),
    AmsGradSpec(learning_rate=0.1),
    AdamaxSpec(learning_rate=0.1),
    NAdamSpec(learning_rate=0.1),
    RAdamSpec(learning_rate=0.1),
    AdagradSpec(learning_rate=1.0),
    RmspropSpec(learning_rate=0.1),
    AdadeltaSpec(learning_rate=10.0),
    LionSpec(learning_rate=0.1),
    LambSpec(learning_rate=0.1, weight_decay=0.0),
    RpropSpec(learning_rate=0.1),
]


@pytest.mark.parametrize("spec", CONVERGING, ids=str)
def test_finds_the_minimum_of_a_quadratic(spec: OptimizerSpec):
    """C = sum_i a_i (theta_i - c_i)^2 / 2, with a learning rate that falls to 0 along a line."""
    a, goal = np.geomspace(1, 5, 20), np.linspace(-2, 2, 20)
    theta, grad = np.ones(20), np.empty(20)
    optimizer = spec.build()
    optimizer.bind(SMALL, 20, np.float64)
    for step in range(500):
        np.multiply(a, theta - goal, out=grad)
        optimizer.step(theta, grad, spec.learning_rate * (1 - step / 500))
    assert theta == pytest.approx(goal, abs=0.02)


def test_every_kind_finds_a_minimum():
    assert {type(spec) for spec in CONVERGING} | {LbfgsSpec} == set(OPTIMIZER_SPECS)


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"kind": "sgd", "nesterov": True}, ("sgd", "nesterov")),
        ({"kind": "sgd", "momentum": 1.0}, ("sgd", "momentum")),
        ({"kind": "sgd", "learning_rate": 0}, ("sgd", "learning_rate")),
        ({"kind": "adam", "beta2": 1}, ("adam", "beta2")),
        ({"kind": "adam", "epsilon": 0}, ("adam", "epsilon")),
        ({"kind": "adam", "weight_decay": 0.1}, ("adam", "weight_decay")),
        ({"kind": "adamw", "weight_decay": -1}, ("adamw", "weight_decay")),
        ({"kind": "adam", "learning_rate": float("nan")}, ("adam", "learning_rate")),
        ({"kind": "rmsprop", "rho": 1}, ("rmsprop", "rho")),
        ({"kind": "rprop", "decrease": 1.5}, ("rprop", "decrease")),
        ({"kind": "rprop", "smallest": 2, "largest": 1}, ("rprop",)),
        ({"kind": "lbfgs", "history": 0}, ("lbfgs", "history")),
        ({"kind": "lbfgs", "iterations": 1001}, ("lbfgs", "iterations")),
    ],
)
def test_impossible_values_are_refused_at_their_field(fields: dict, location: tuple):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(AnyOptimizer).validate_python(fields)
    assert [error["loc"] for error in caught.value.errors()] == [location]


def test_specs_document_themselves():
    for spec in OPTIMIZER_SPECS:
        assert spec.formula
        assert spec.source
        assert spec.__doc__
        assert all(field.description for name, field in spec.model_fields.items() if name != "kind")
