"""Every initializer's distribution against theory, on arrays large enough to tell."""

from math import sqrt

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from engine.arrays import Array
from engine.initializers import (
    INITIALIZER_SPECS,
    AnyInitializer,
    GlorotNormalSpec,
    GlorotUniformSpec,
    HeNormalSpec,
    HeUniformSpec,
    InitializerSpec,
    LecunNormalSpec,
    LecunUniformSpec,
    NormalSpec,
    OrthogonalSpec,
    UniformSpec,
    ZerosSpec,
)

FAN_IN, FAN_OUT = 400, 600

NORMAL = [  # spec, mean, standard deviation
    (NormalSpec(), 0, 0.01),
    (NormalSpec(mean=2, std=3), 2, 3),
    (GlorotNormalSpec(), 0, sqrt(2 / 1000)),
    (HeNormalSpec(), 0, sqrt(2 / 400)),
    (LecunNormalSpec(), 0, sqrt(1 / 400)),
]
UNIFORM = [  # spec, lower and upper bound
    (UniformSpec(), -0.05, 0.05),
    (UniformSpec(low=1, high=3), 1, 3),
    (GlorotUniformSpec(), -sqrt(6 / 1000), sqrt(6 / 1000)),
    (HeUniformSpec(), -sqrt(6 / 400), sqrt(6 / 400)),
    (LecunUniformSpec(), -sqrt(3 / 400), sqrt(3 / 400)),
]
EVERY = [spec for spec, *_ in NORMAL + UNIFORM] + [ZerosSpec(), OrthogonalSpec()]


def draw(
    spec: InitializerSpec, shape: tuple[int, ...] = (FAN_IN, FAN_OUT), dtype: type[np.floating] = np.float64
) -> Array:
    w = np.full(shape, np.nan, dtype)
    spec.fill(w, FAN_IN, FAN_OUT, np.random.default_rng(5))
    return w


def moments(w: Array, mean: float, std: float) -> tuple[float, ...]:
    return tuple(float(np.mean(((w - mean) / std) ** k)) for k in (1, 2, 3, 4))


def test_every_kind_has_a_case() -> None:
    assert {type(spec) for spec in EVERY} == set(INITIALIZER_SPECS)


def test_zeros() -> None:
    assert not draw(ZerosSpec()).any()


@pytest.mark.parametrize(("spec", "mean", "std"), NORMAL)
def test_normal(spec: InitializerSpec, mean: float, std: float) -> None:
    """The first four moments are 0, 1, 0, 3, within five deviations of their estimates."""
    w = draw(spec)
    allowed = [5 * sqrt(v / w.size) for v in (1, 2, 15, 96)]
    for moment, expected, deviation in zip(moments(w, mean, std), (0, 1, 0, 3), allowed, strict=True):
        assert moment == pytest.approx(expected, abs=deviation)


@pytest.mark.parametrize(("spec", "low", "high"), UNIFORM)
def test_uniform(spec: InitializerSpec, low: float, high: float) -> None:
    """All values are within the bounds, reach them, and fill ten equal bins alike."""
    w = draw(spec)
    assert low <= w.min() < low + 1e-4 * (high - low)
    assert high - 1e-4 * (high - low) < w.max() <= high
    counts, _ = np.histogram(w, 10, (low, high))
    np.testing.assert_allclose(counts / w.size, 0.1, atol=5 * sqrt(0.09 / w.size))


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25), (3, 4, 5), (7,)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = draw(OrthogonalSpec(gain=1.5), shape).reshape(-1, shape[-1])
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 1.5**2 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_has_no_preferred_sign() -> None:
    """Without the sign fix the diagonal of Q is negative nearly always."""
    rng = np.random.default_rng(0)
    w = np.empty((2, 2))
    diagonal = []
    for _ in range(1000):
        OrthogonalSpec().fill(w, 2, 2, rng)
        diagonal.append(w[0, 0])
    assert np.mean(np.array(diagonal) > 0) == pytest.approx(0.5, abs=5 * sqrt(0.25 / 1000))


@pytest.mark.slow
@pytest.mark.parametrize("spec", EVERY, ids=repr)
def test_precisions_start_alike(spec: InitializerSpec) -> None:
    np.testing.assert_array_equal(draw(spec, dtype=np.float32), draw(spec).astype(np.float32))


@pytest.mark.parametrize("spec", EVERY, ids=repr)
def test_json_round_trip(spec: InitializerSpec) -> None:
    adapter = TypeAdapter(AnyInitializer)
    assert adapter.validate_json(adapter.dump_json(spec)) == spec


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "normal", "std": -1},
        {"kind": "normal", "mean": 1e300},
        {"kind": "uniform", "low": 1, "high": 0},
        {"kind": "orthogonal", "gain": 0},
        {"kind": "zeros", "std": 1},
        {"kind": "xavier"},
    ],
)
def test_bounds(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnyInitializer).validate_python(wrong)
