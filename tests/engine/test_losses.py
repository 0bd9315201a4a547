"""Losses: values by hand, against scikit-learn, and the weighted mean over rows."""

from math import exp, log

import numpy as np
import pytest
from loss_values import evaluate
from pydantic import TypeAdapter, ValidationError
from sklearn.metrics import log_loss as sklearn_log_loss

from engine.losses import (
    LOSS_SPECS,
    AnyLoss,
    CrossEntropySpec,
    HuberSpec,
    LogLossSpec,
    LossSpec,
    MaeSpec,
    MseSpec,
)
from engine.spec import InvalidSpec


def test_mse_by_hand() -> None:
    """((1 - 1)^2 + (2 - 0)^2 + (3 - 6)^2) / 3 = 13 / 3; the slopes are 2 (a - y) / 3."""
    value, d = evaluate(MseSpec(), [[1, 2, 3]], [[1, 0, 6]])
    assert value == pytest.approx(13 / 3, rel=1e-15)
    np.testing.assert_allclose(d, [[0, 4 / 3, -2]], rtol=1e-15)


def test_mae_by_hand() -> None:
    """(0 + 2 + 3) / 3; the slopes are sign(a - y) / 3."""
    value, d = evaluate(MaeSpec(), [[1, 2, 3]], [[1, 0, 6]])
    assert value == pytest.approx(5 / 3, rel=1e-15)
    np.testing.assert_allclose(d, [[0, 1 / 3, -1 / 3]], rtol=1e-15)


def test_huber_by_hand() -> None:
    """delta = 2, errors 1, 2, -5: (1 / 2 + 2 + 2 (5 - 1)) / 3 = 10.5 / 3; the slopes are (1, 2, -2) / 3."""
    value, d = evaluate(HuberSpec(delta=2), [[1, 2, 0]], [[0, 0, 5]])
    assert value == pytest.approx(3.5, rel=1e-15)
    np.testing.assert_allclose(d, [[1 / 3, 2 / 3, -2 / 3]], rtol=1e-15)


def test_cross_entropy_by_hand() -> None:
    """z = (log 1, log 2, log 5): p = (1, 2, 5) / 8; the right class is the last: l = -log(5 / 8) = 0.4700."""
    value, d = evaluate(CrossEntropySpec(), [[log(1), log(2), log(5)]], [[0, 0, 1]])
    assert value == pytest.approx(0.470003629245736, rel=1e-14)
    np.testing.assert_allclose(d, [[1 / 8, 2 / 8, 5 / 8 - 1]], rtol=1e-14)


def test_log_loss_by_hand() -> None:
    """z = log 3: p = 3 / 4. y = 1: l = -log(3 / 4) = 0.2877; y = 0: l = -log(1 / 4) = 1.3863; mean 0.8370."""
    value, d = evaluate(LogLossSpec(), [[log(3)], [log(3)]], [[1], [0]])
    assert value == pytest.approx(0.836988216785835, rel=1e-14)
    np.testing.assert_allclose(d, [[-1 / 8], [3 / 8]], rtol=1e-14)


def test_weights_by_hand() -> None:
    """Rows with the losses 1 and 9 and the weights 3 and 1: (3 + 9) / 4; d = w_r / 4 * 2 (a - y)."""
    value, d = evaluate(MseSpec(), [[1], [3]], [[0], [0]], [3, 1])
    assert value == pytest.approx(3, rel=1e-15)
    np.testing.assert_allclose(d, [[3 / 4 * 2], [1 / 4 * 6]], rtol=1e-15)


def test_log_loss_on_logits_against_sklearn() -> None:
    rng = np.random.default_rng(0)
    z, y, w = rng.normal(0, 3, 50), rng.integers(0, 2, 50), rng.random(50)
    p = 1 / (1 + np.exp(-z))
    value, _ = evaluate(LogLossSpec(), z[:, None], y[:, None], w)
    assert value == pytest.approx(sklearn_log_loss(y, p, sample_weight=w), rel=1e-12)


def test_cross_entropy_against_sklearn() -> None:
    rng = np.random.default_rng(0)
    z, labels, w = rng.normal(0, 3, (50, 4)), rng.integers(0, 4, 50), rng.random(50)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    value, _ = evaluate(CrossEntropySpec(), z, np.eye(4)[labels], w)
    expected = sklearn_log_loss(labels, p, sample_weight=w, labels=range(4))
    assert value == pytest.approx(expected, rel=1e-12)


def test_two_classes_or_one_logit() -> None:
    """Cross-entropy on (0, z) is log loss on z."""
    z, y = 1.7, 1.0
    two, _ = evaluate(CrossEntropySpec(), [[0, z]], [[1 - y, y]])
    one, _ = evaluate(LogLossSpec(), [[z]], [[y]])
    assert two == pytest.approx(one, rel=1e-14)


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_cross_entropy_ignores_a_shift(shift: float) -> None:
    z, y = np.random.default_rng(1).normal(size=(6, 3)), np.eye(3)[[0, 1, 2, 2, 1, 0]]
    value, d = evaluate(CrossEntropySpec(), z, y)
    shifted, d_shifted = evaluate(CrossEntropySpec(), z + shift, y)
    assert shifted == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(d_shifted, d, atol=1e-10)


@pytest.mark.parametrize(
    ("z", "y", "expected"), [(1e4, 0, 1e4), (-1e4, 1, 1e4), (1e4, 1, 0), (-50, 0, exp(-50))]
)
def test_log_loss_far_out(z: float, y: float, expected: float) -> None:
    value, d = evaluate(LogLossSpec(), [[z]], [[y]])
    assert value == pytest.approx(expected, rel=1e-14, abs=1e-300)
    assert d[0, 0] == pytest.approx((z > 0) - y, abs=1e-20)


@pytest.mark.parametrize("spec", [spec() for spec in LOSS_SPECS], ids=lambda spec: spec.kind)
class TestWeights:
    z = np.random.default_rng(2).normal(size=(4, 3))
    y = np.eye(3)[[0, 2, 1, 1]]

    def test_ones_change_nothing(self, spec: LossSpec) -> None:
        value, d = evaluate(spec, self.z, self.y)
        weighted, d_weighted = evaluate(spec, self.z, self.y, [1, 1, 1, 1])
        assert weighted == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(d_weighted, d, rtol=1e-14)

    def test_their_scale_changes_nothing(self, spec: LossSpec) -> None:
        value, d = evaluate(spec, self.z, self.y, [1, 2, 0, 3])
        scaled, d_scaled = evaluate(spec, self.z, self.y, [10, 20, 0, 30])
        assert scaled == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(d_scaled, d, rtol=1e-14)

    def test_two_is_a_row_twice(self, spec: LossSpec) -> None:
        twice = [0, 1, 1, 2, 3]
        value, d = evaluate(spec, self.z, self.y, [1, 2, 1, 1])
        repeated, d_repeated = evaluate(spec, self.z[twice], self.y[twice])
        assert repeated == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(d[1], d_repeated[1] + d_repeated[2], rtol=1e-14)

    def test_all_zero_costs_nothing(self, spec: LossSpec) -> None:
        value, d = evaluate(spec, self.z, self.y, [0, 0, 0, 0])
        assert value == 0
        assert not d.any()


LABEL_LOSSES = [spec() for spec in LOSS_SPECS if "binary" in spec.tasks and spec.takes != "answers"]


@pytest.mark.parametrize("spec", LABEL_LOSSES, ids=lambda spec: spec.kind)
def test_labels_between_0_and_1_are_mixtures(spec: LossSpec) -> None:
    """Such as mixup makes: y of the loss for 1 and 1 - y of the loss for 0."""
    z = np.random.default_rng(7).normal(0, 2, (30, 3))
    ones, d_ones = evaluate(spec, z, np.ones_like(z))
    zeros, d_zeros = evaluate(spec, z, np.zeros_like(z))
    for share in (0.0, 0.3, 1.0):
        mixed, d_mixed = evaluate(spec, z, np.full_like(z, share))
        assert mixed == pytest.approx(share * ones + (1 - share) * zeros, rel=1e-12)
        np.testing.assert_allclose(d_mixed, share * d_ones + (1 - share) * d_zeros, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("shape", [(), (2, 3)])
@pytest.mark.parametrize(
    "spec", [spec for spec in LOSS_SPECS if "multiclass" in spec.tasks and spec.takes != "answers"]
)
def test_classes_are_rows_of_one_axis(spec: type[LossSpec], shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidSpec, match="rows of one axis"):
        spec().build_for_classes(shape, batch=1, dtype=np.dtype(np.float32))


def test_tasks() -> None:
    """What goes with which task, and what the outputs are then."""
    kinds = {spec.model_fields["kind"].default: (spec.takes, set(spec.tasks)) for spec in LOSS_SPECS}
    labels, classes, values = {"binary", "multilabel"}, {"multiclass"}, {"regression"}
    every = {*labels, *classes, *values, "autoencoding"}
    assert kinds == {
        "mse": ("answers", every),
        "mae": ("answers", every),
        "huber": ("answers", every),
        "log_cosh": ("answers", every),
        "quantile": ("answers", values),
        "cosine": ("answers", {*values, "autoencoding"}),
        "poisson": ("logarithms", {*values, "count"}),
        "gamma": ("logarithms", values),
        "tweedie": ("logarithms", values),
        "log_loss": ("logits", {*labels, "ordinal"}),
        "cross_entropy": ("logits", classes),
        "kl_divergence": ("logits", classes),
        "focal": ("logits", labels | classes),
        "hinge": ("scores", labels | classes),
        "squared_hinge": ("scores", labels | classes),
        "perceptron": ("scores", labels | classes),
    }


@pytest.mark.parametrize(
    ("kind", "field", "values"),
    [
        ("huber", "delta", [0, -1, "nan", 1e300]),
        ("quantile", "level", [0, 1, "nan"]),
        ("tweedie", "power", [0.99, 2.01, "nan"]),
        ("focal", "gamma", [-0.1, 11, "nan"]),
        ("focal", "alpha", [0, 1]),
        ("cross_entropy", "label_smoothing", [-0.1, 1, "nan"]),
        ("log_loss", "label_smoothing", [-0.1, 1, "nan"]),
    ],
)
def test_numbers_have_bounds(kind: str, field: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(ValidationError):
            TypeAdapter(AnyLoss).validate_python({"kind": kind, field: value})
