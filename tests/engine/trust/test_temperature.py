"""Temperature scaling: the minimum of the log loss, held against a search that knows no derivative."""

import numpy as np
import pytest
from sklearn import metrics

from engine.trust.temperature import fit_temperature, for_their_mean, scaled

pytestmark = pytest.mark.slow


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(temperature, rows=600, classes=4, seed=0):
    """Probabilities that are too sure by `temperature`, and classes drawn from those that are right."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, classes)) * 1.5
    right = softmax(z)
    codes = np.array([rng.choice(classes, p=row) for row in right])
    return softmax(z * temperature), np.eye(classes)[codes], codes


@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_the_temperature_is_that_of_least_log_loss(temperature):
    p, y, codes = drawn(temperature)
    found = fit_temperature(p, y, "multiclass")
    tried = np.geomspace(0.1, 10, 4001)
    losses = [metrics.log_loss(codes, scaled(p, t, "multiclass")) for t in tried]
    assert found.temperature == pytest.approx(tried[np.argmin(losses)], rel=2e-3)
    assert found.temperature == pytest.approx(temperature, rel=0.2)
    assert found.log_loss_before == pytest.approx(metrics.log_loss(codes, p), rel=1e-9)
    assert found.log_loss_after == pytest.approx(min(losses), abs=1e-6)
    assert found.log_loss_after < found.log_loss_before


def test_two_classes_are_the_binary_answer():
    p, y, _ = drawn(3.0, classes=2)
    several = fit_temperature(p, y, "multiclass")
    one = fit_temperature(p[:, 1:], y[:, 1:], "binary")
    assert one.temperature == pytest.approx(several.temperature, rel=1e-9)
    assert one.log_loss_after == pytest.approx(several.log_loss_after, rel=1e-9)
    cooled = scaled(p[:, 1:], one.temperature, "binary")[:, 0]
    np.testing.assert_allclose(cooled, scaled(p, one.temperature, "multiclass")[:, 1], rtol=1e-9)
    z = np.log(p[:, 1] / p[:, 0])
    np.testing.assert_allclose(cooled, 1 / (1 + np.exp(-z / one.temperature)), rtol=1e-9)


def test_several_labels_share_one_temperature():
    p, y, _ = drawn(3.0, classes=2)
    q, w, _ = drawn(3.0, classes=2, seed=1)
    both = fit_temperature(np.c_[p[:, 1], q[:, 1]], np.c_[y[:, 1], w[:, 1]], "multilabel")
    one = fit_temperature(np.r_[p[:, 1:], q[:, 1:]], np.r_[y[:, 1:], w[:, 1:]], "binary")
    assert both.temperature == pytest.approx(one.temperature, rel=1e-9)
    assert both.log_loss_after == pytest.approx(one.log_loss_after, rel=1e-9)


def test_rows_that_are_all_right_make_answers_as_sure_as_the_rule_of_succession():
    """Equally sure ones: as if n of n + 1 were right."""
    p = np.tile([0.88, 0.12], (300, 1))
    found = fit_temperature(p, np.tile([1.0, 0.0], (300, 1)), "multiclass")
    assert scaled(p, found.temperature, "multiclass")[0, 0] == pytest.approx(300 / 301, rel=1e-9)
    assert "rightly" in found.detail


def test_a_few_rows_that_are_all_right_say_nothing():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    found = fit_temperature(p, np.eye(2)[[0, 1, 0]], "multiclass")
    assert found.temperature == 1


def test_the_row_that_is_taken_to_be_wrong_has_its_runner_up_for_truth():
    """Of three classes, held against a search over the rows with that one among them."""
    rng = np.random.default_rng(0)
    p = softmax(np.c_[3 + rng.random(301), rng.random((301, 2))])
    found = fit_temperature(p, np.eye(3)[np.zeros(301, int)], "multiclass")
    middle = np.argsort(p[:, 0] / p[:, 1:].max(axis=1))[150]
    rows, codes = np.r_[p, p[[middle]]], np.r_[np.zeros(301, int), 1 + p[middle, 1:].argmax()]
    tried = np.geomspace(0.1, 10, 2001)
    losses = [metrics.log_loss(codes, scaled(rows, t, "multiclass"), labels=range(3)) for t in tried]
    assert found.temperature == pytest.approx(tried[np.argmin(losses)], rel=4e-3)


def test_a_gain_that_may_be_chance_is_not_taken():
    p, y, _ = drawn(1.0, rows=60, seed=1)
    found = fit_temperature(p, y, "multiclass")
    assert found.temperature == 1
    assert found.log_loss_after == found.log_loss_before
    assert "no clear gain" in found.detail


def test_a_row_has_the_same_bits_alone():
    p, *_ = drawn(2.0, rows=70, classes=7)
    for task, rows in (("multiclass", p), ("binary", p[:, :1]), ("multilabel", p)):
        together = scaled(rows, 1.7, task)
        alone = np.concatenate([scaled(rows[i : i + 1], 1.7, task) for i in range(len(rows))])
        assert together.tobytes() == alone.tobytes()
    assert scaled(p, 1.0, "multiclass") is p


def test_certain_answers_stay_finite():
    for task in ("multiclass", "binary"):
        p = np.array([[0.0, 1.0], [1.0, 0.0]])[:, : 2 if task == "multiclass" else 1]
        assert np.isfinite(scaled(p, 3.0, task)).all()


def test_the_mean_of_networks_is_made_surer_but_not_less_sure():
    unsure, too_sure = (fit_temperature(*drawn(by)[:2], "multiclass") for by in (0.4, 2.5))
    assert for_their_mean(unsure) == unsure
    left = for_their_mean(too_sure)
    assert (left.temperature, left.log_loss_after) == (1, left.log_loss_before)
    assert "too sure" in left.detail
