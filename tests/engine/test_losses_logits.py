"""Losses on logits: label smoothing, the divergence, the focal loss."""

import numpy as np
import pytest
from loss_values import evaluate
from scipy.special import expit, log_softmax, rel_entr, softmax
from scipy.special import logsumexp as log_sum

from engine.losses import CrossEntropySpec, FocalSpec, KlDivergenceSpec, LogLossSpec, LossSpec
from engine.spec import InvalidSpec

rng = np.random.default_rng(4)
ROWS, CLASSES = 40, 4
Z, WEIGHT = rng.normal(0, 3, (ROWS, CLASSES)), rng.random(ROWS)
ONE_HOT = np.eye(CLASSES)[rng.integers(0, CLASSES, ROWS)]
SHARES = rng.dirichlet(np.ones(CLASSES), ROWS)
LABELS = rng.integers(0, 2, (ROWS, CLASSES)).astype(float)


@pytest.mark.parametrize("targets", [ONE_HOT, SHARES], ids=["classes", "probabilities"])
@pytest.mark.parametrize("s", [0.1, 0.7])
def test_smoothed_cross_entropy(targets: np.ndarray, s: float) -> None:
    smooth = (1 - s) * targets + s / CLASSES
    expected = np.average(-(smooth * log_softmax(Z, axis=1)).sum(axis=1), weights=WEIGHT)
    value, d = evaluate(CrossEntropySpec(label_smoothing=s), Z, targets, WEIGHT)
    assert value == pytest.approx(expected, rel=1e-12)
    gradient = (softmax(Z, axis=1) - smooth) * (WEIGHT / WEIGHT.sum())[:, None]
    np.testing.assert_allclose(d, gradient, rtol=1e-10, atol=1e-15)


def test_smoothed_log_loss() -> None:
    s = 0.2
    smooth = LABELS * (1 - s) + s / 2
    expected = -(smooth * np.log(expit(Z)) + (1 - smooth) * np.log(expit(-Z))).mean()
    value, d = evaluate(LogLossSpec(label_smoothing=s), Z, LABELS)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(d, (expit(Z) - smooth) / Z.size, rtol=1e-10, atol=1e-15)


def test_smoothing_of_two_classes_is_that_of_one_label() -> None:
    z, y = Z[:, :1], LABELS[:, :1]
    one, _ = evaluate(LogLossSpec(label_smoothing=0.1), z, y)
    pair = np.hstack([np.zeros_like(z), z]), np.hstack([1 - y, y])
    two, _ = evaluate(CrossEntropySpec(label_smoothing=0.1), *pair)
    assert two == pytest.approx(one, rel=1e-13)


def test_divergence_against_scipy() -> None:
    value, _ = evaluate(KlDivergenceSpec(), Z, SHARES, WEIGHT)
    expected = np.average(rel_entr(SHARES, softmax(Z, axis=1)).sum(axis=1), weights=WEIGHT)
    assert value == pytest.approx(expected, rel=1e-12)


def test_divergence_is_0_where_both_agree_and_the_cross_entropy_of_sure_targets() -> None:
    value, d = evaluate(KlDivergenceSpec(), np.log(SHARES), SHARES)
    assert value == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(d, 0, atol=1e-15)
    sure, d_sure = evaluate(KlDivergenceSpec(), Z, ONE_HOT)
    cross, d_cross = evaluate(CrossEntropySpec(), Z, ONE_HOT)
    assert sure == pytest.approx(cross, rel=1e-14)
    np.testing.assert_array_equal(d_sure, d_cross)


@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_of_labels(gamma: float, alpha: float | None) -> None:
    """Equation 5 of the article, from the probability of what is true."""
    p = np.where(LABELS == 1, expit(Z), expit(-Z))
    balance = 1.0 if alpha is None else np.where(LABELS == 1, alpha, 1 - alpha)
    elements = -balance * (1 - p) ** gamma * np.log(p)
    value, _ = evaluate(FocalSpec(gamma=gamma, alpha=alpha), Z, LABELS, WEIGHT)
    assert value == pytest.approx(np.average(elements.mean(axis=1), weights=WEIGHT), rel=1e-10)


@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5])
@pytest.mark.parametrize("targets", [ONE_HOT, SHARES], ids=["classes", "probabilities"])
def test_focal_of_classes(gamma: float, targets: np.ndarray) -> None:
    p = np.exp(Z - log_sum(Z, axis=1, keepdims=True))
    expected = -(targets * (1 - p) ** gamma * np.log(p)).sum(axis=1).mean()
    value, _ = evaluate(FocalSpec(gamma=gamma), Z, targets, classes=True)
    assert value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("plain", "targets", "classes"), [(LogLossSpec(), LABELS, False), (CrossEntropySpec(), ONE_HOT, True)]
)
def test_focal_with_gamma_0_is_the_plain_loss(plain: LossSpec, targets: np.ndarray, classes: bool) -> None:
    value, d = evaluate(FocalSpec(gamma=0), Z, targets, classes=classes)
    expected, d_expected = evaluate(plain, Z, targets)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(d, d_expected, rtol=1e-10, atol=1e-17)


@pytest.mark.parametrize("gamma", [0, 0.5, 2])
def test_focal_where_the_network_is_sure(gamma: float) -> None:
    """Right by 1e4: no loss and no slope. Wrong by 1e4: as the plain loss."""
    for classes, z, y in ((True, [[1e4, 0]], [[1, 0]]), (False, [[1e4]], [[1]])):
        value, d = evaluate(FocalSpec(gamma=gamma), z, y, classes=classes)
        assert value == 0
        np.testing.assert_allclose(d, 0, atol=1e-17)
        value, d = evaluate(FocalSpec(gamma=gamma), [[-v for v in z[0]]], y, classes=classes)
        assert value == pytest.approx(1e4)
        assert d[0, 0] == pytest.approx(-1)


def test_alpha_is_for_labels() -> None:
    with pytest.raises(InvalidSpec, match="class_weights") as caught:
        FocalSpec(alpha=0.5).build_for_classes((3,), batch=1, dtype=np.dtype(np.float32))
    assert caught.value.path == ("alpha",)
