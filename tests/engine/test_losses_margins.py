"""Losses on scores: against scikit-learn and plain loops, and the perceptron rule that one of them is."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_values import evaluate
from sklearn.metrics import hinge_loss

from engine.losses import HingeSpec, LossSpec, PerceptronLossSpec, SquaredHingeSpec

rng = np.random.default_rng(5)
ROWS, CLASSES = 40, 4
LABELS, CLASS = rng.integers(0, 2, (ROWS, 3)), rng.integers(0, CLASSES, ROWS)
WEIGHT = rng.random(ROWS)

ELEMENTS: list[tuple[LossSpec, Callable[[float], float]]] = [
    (HingeSpec(), lambda margin: max(0.0, 1 - margin)),
    (SquaredHingeSpec(), lambda margin: max(0.0, 1 - margin) ** 2),
    (PerceptronLossSpec(), lambda margin: max(0.0, -margin)),
]
each_loss = pytest.mark.parametrize(("spec", "of_margin"), ELEMENTS, ids=["hinge", "squared", "perceptron"])


@each_loss
def test_labels_by_their_margins(spec: LossSpec, of_margin: Callable[[float], float]) -> None:
    """The margin of a label is its score, with the label's sign."""
    z = rng.normal(0, 2, LABELS.shape)
    margins = np.where(LABELS == 1, z, -z)
    expected = np.mean([[of_margin(margin) for margin in row] for row in margins])
    assert evaluate(spec, z, LABELS)[0] == pytest.approx(expected, rel=1e-12)


@each_loss
def test_classes_by_their_margins(spec: LossSpec, of_margin: Callable[[float], float]) -> None:
    """The margin of a class is what its score is above the best other one."""
    z = rng.normal(0, 2, (ROWS, CLASSES))
    margins = [row[k] - max(np.delete(row, k)) for row, k in zip(z, CLASS, strict=True)]
    expected = np.mean([of_margin(margin) for margin in margins])
    value, _ = evaluate(spec, z, np.eye(CLASSES)[CLASS], classes=True)
    assert value == pytest.approx(expected, rel=1e-12)


def test_hinge_against_sklearn() -> None:
    z = rng.normal(0, 2, ROWS)
    labels = LABELS[:, 0]
    value, _ = evaluate(HingeSpec(), z[:, None], labels[:, None], WEIGHT)
    assert value == pytest.approx(hinge_loss(2 * labels - 1, z, sample_weight=WEIGHT), rel=1e-12)


def test_hinge_of_classes_against_sklearn() -> None:
    z = rng.normal(0, 2, (ROWS, CLASSES))
    value, _ = evaluate(HingeSpec(), z, np.eye(CLASSES)[CLASS], WEIGHT, classes=True)
    expected = hinge_loss(CLASS, z, sample_weight=WEIGHT, labels=range(CLASSES))
    assert value == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1)), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_perceptron_corrects_exactly_what_is_predicted_wrongly(rows: list[tuple[int, int]]) -> None:
    z, y = (np.array(column, float)[:, None] for column in zip(*rows, strict=True))
    _, d = evaluate(PerceptronLossSpec(), z, y)
    predicted = (z > 0).astype(float)
    np.testing.assert_allclose(d * len(rows), predicted - y, rtol=1e-12)


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=6), st.integers(0, 2)
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_so_it_does_with_classes(rows: list[list[int]], right: int) -> None:
    """Where several scores are the largest, the first one is the prediction, as in the answers."""
    z, y = np.array(rows, float), np.tile(np.eye(3)[right], (len(rows), 1))
    _, d = evaluate(PerceptronLossSpec(), z, y, classes=True)
    np.testing.assert_allclose(d * len(rows), np.eye(3)[z.argmax(axis=1)] - y, rtol=1e-12)


def updates_until_learned(x: np.ndarray, y: np.ndarray, epochs: int) -> int | None:
    """Corrections that w -= dC/dw makes from w = 0 on, row by row; None if it never ends."""
    loss = PerceptronLossSpec().build((1,), batch=1, dtype=np.dtype(np.float64))
    w, d, updates = np.zeros(x.shape[1]), np.empty((1, 1)), 0
    for _ in range(epochs):
        before = updates
        for row, label in zip(x, y, strict=True):
            loss(np.array([[row @ w]]), np.array([[label]], float), None, d)
            w -= d[0, 0] * row
            updates += int(d[0, 0] != 0)
        if updates == before:
            assert np.array_equal(x @ w > 0, y == 1)
            return updates
    return None


INPUTS = np.array([[a, b, 1.0] for a in (0, 1) for b in (0, 1)])  # the last one for the bias


@pytest.mark.parametrize(("labels", "best"), [([0, 0, 0, 1], [1, 1, -1.5]), ([0, 1, 1, 1], [1, 1, -0.5])])
def test_and_and_or_converge_within_the_bound(labels: list[int], best: list[float]) -> None:
    """At most (R / gamma)^2 corrections: Novikoff 1962, with the margin of one separating w."""
    y = np.array(labels)
    margin = min(np.where(y == 1, 1, -1) * (INPUTS @ best)) / np.linalg.norm(best)
    bound = (np.linalg.norm(INPUTS, axis=1).max() / margin) ** 2
    updates = updates_until_learned(INPUTS, y, epochs=100)
    assert updates is not None
    assert 0 < updates <= bound


def test_xor_never_does() -> None:
    assert updates_until_learned(INPUTS, np.array([0, 1, 1, 0]), epochs=300) is None
