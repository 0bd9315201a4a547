"""Every optimizer, step by step, against the recursion of its paper in naive expressions."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from engine.network import Segment
from engine.optimizers import (
    BLOCK,
    OPTIMIZER_SPECS,
    AdamSpec,
    AdamWSpec,
    AnyOptimizer,
    OptimizerSpec,
    SgdSpec,
    blocks,
)

STEPS = 25
Update = Callable[[np.ndarray, np.ndarray, float, int, dict], np.ndarray]


def sgd(p, g, eta, t, memory):
    """Robbins and Monro 1951."""
    return p - eta * g


def momentum(p, g, eta, t, memory):
    """Sutskever et al. 2013, eq. 1-2, learning rate outside of the velocity."""
    v = memory["v"] = 0.9 * memory.get("v", 0) + g
    return p - eta * v


def nesterov(p, g, eta, t, memory):
    """Sutskever et al. 2013, eq. 3-4, in PyTorch's form."""
    v = memory["v"] = 0.9 * memory.get("v", 0) + g
    return p - eta * (g + 0.9 * v)


def adam(beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0) -> Update:
    """Kingma and Ba 2015, algorithm 1; with weight decay Loshchilov and Hutter 2019, algorithm 2."""

    def update(p, g, eta, t, memory):
        m = memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
        v = memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        return p - eta * (m_hat / (np.sqrt(v_hat) + epsilon) + weight_decay * p)

    return update


CASES: list[tuple[OptimizerSpec, Update, Update]] = [  # the last one for segments without decay
    (SgdSpec(), sgd, sgd),
    (SgdSpec(momentum=0.9), momentum, momentum),
    (SgdSpec(momentum=0.9, nesterov=True), nesterov, nesterov),
    (AdamSpec(), adam(), adam()),
    (AdamSpec(beta1=0.5, beta2=0.9, epsilon=1e-3), adam(0.5, 0.9, 1e-3), adam(0.5, 0.9, 1e-3)),
    (AdamSpec(beta1=0.0, beta2=0.0), adam(0.0, 0.0), adam(0.0, 0.0)),
    (AdamWSpec(weight_decay=0.1), adam(weight_decay=0.1), adam()),
    (AdamWSpec(weight_decay=0.0), adam(), adam()),
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


def test_every_kind_has_a_case():
    assert {type(spec) for spec, _, _ in CASES} == set(OPTIMIZER_SPECS)


@pytest.mark.parametrize("segments", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("spec", "decayed", "free"), CASES, ids=lambda case: str(case) if isinstance(case, OptimizerSpec) else ""
)
def test_follows_the_paper(spec: OptimizerSpec, decayed: Update, free: Update, segments: list[Segment]):
    rng = np.random.default_rng(1)
    size = segments[-1].slice.stop
    theta = rng.normal(size=size)
    expected, memories = theta.copy(), [{} for _ in segments]
    optimizer = spec.build()
    optimizer.bind(segments, size, np.float64)

    for t in range(1, STEPS + 1):
        grad = theta + rng.normal(size=size)
        before, eta = grad.copy(), spec.learning_rate * (1 + t % 3)
        optimizer.step(theta, grad, eta)
        for segment, memory in zip(segments, memories, strict=True):
            part, update = segment.slice, decayed if segment.decay else free
            expected[part] = update(expected[part], grad[part], eta * segment.rate, t, memory)

        assert np.array_equal(grad, before), "the gradient stays as it is"
        np.testing.assert_allclose(theta, expected, rtol=1e-11, atol=1e-13)
    assert optimizer.step_count == STEPS


@pytest.mark.parametrize(
    ("spec", "slots"),
    [(SgdSpec(), 0), (SgdSpec(momentum=0.5), 1), (AdamSpec(), 2), (AdamWSpec(), 2)],
)
def test_slots_are_what_a_parameter_costs(spec: OptimizerSpec, slots: int):
    optimizer = spec.build()
    optimizer.bind(SMALL, 20, np.float32)

    assert spec.slots == len(optimizer.slots) == slots
    assert all(slot.shape == (20,) and slot.dtype == np.float32 for slot in optimizer.slots.values())
    assert optimizer.step_count == 0


def test_memory_is_all_in_slots_and_step_count():
    rng = np.random.default_rng(2)
    theta, grads = rng.normal(size=20), rng.normal(size=(6, 20))
    whole, first, second = theta.copy(), theta.copy(), AdamSpec().build()
    one = AdamSpec().build()
    for optimizer in (one, second):
        optimizer.bind(SMALL, 20, np.float64)
    for grad in grads[:3]:
        one.step(first, grad, 0.1)
    second.step_count = one.step_count
    for name, slot in one.slots.items():
        second.slots[name][:] = slot
    for grad in grads[3:]:
        second.step(first, grad, 0.1)

    straight = AdamSpec().build()
    straight.bind(SMALL, 20, np.float64)
    for grad in grads:
        straight.step(whole, grad, 0.1)
    assert np.array_equal(first, whole)


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


def test_blocks_cover_each_parameter_once_and_merge_equal_rates():
    merged = list(blocks(SMALL))
    assert [(b.part, b.rate) for b in merged] == [
        (slice(0, 10), 1.0),
        (slice(10, 16), 0.5),
        (slice(16, 20), 1.0),
    ]
    assert [b.decayed for b in merged] == [(slice(0, 7),), (slice(0, 5),), (slice(0, 4),)]

    decay, covered = np.zeros(LARGE[-1].slice.stop), np.zeros(LARGE[-1].slice.stop)
    for part, _, decayed in blocks(LARGE):
        assert part.stop - part.start <= BLOCK
        covered[part] += 1
        for run in decayed:
            decay[part][run] += 1
    assert (covered == 1).all()
    for segment in LARGE:
        assert (decay[segment.slice] == segment.decay).all()


def test_a_gradient_of_zero_moves_nothing():
    for spec in (SgdSpec(momentum=0.9), AdamSpec(epsilon=1e-16)):
        theta = np.ones(20, np.float32)
        optimizer = spec.build()
        optimizer.bind(SMALL, 20, np.float32)
        optimizer.step(theta, np.zeros(20, np.float32), 1.0)
        assert (theta == 1).all()


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"kind": "sgd", "nesterov": True}, ("sgd", "nesterov")),
        ({"kind": "sgd", "momentum": 1.0}, ("sgd", "momentum")),
        ({"kind": "sgd", "learning_rate": 0}, ("sgd", "learning_rate")),
        ({"kind": "adam", "beta2": 1}, ("adam", "beta2")),
        ({"kind": "adam", "epsilon": 0}, ("adam", "epsilon")),
        ({"kind": "adamw", "weight_decay": -1}, ("adamw", "weight_decay")),
        ({"kind": "adam", "learning_rate": float("nan")}, ("adam", "learning_rate")),
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
