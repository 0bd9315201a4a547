"""Thresholds, reliability and gains: every number against scikit-learn's, or counted by hand."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from engine.trust.gains import gains
from engine.trust.reliability import reliability
from engine.trust.thresholds import CostChoice, Costs, threshold_table

RNG = np.random.default_rng(0)
Y = RNG.random(300) < 0.35
P = np.clip(np.round(0.35 + 0.3 * (Y - 0.35) + RNG.normal(size=300) * 0.2, 2), 0, 1)  # with ties
MEASURES = {
    "accuracy": metrics.accuracy_score,
    "f1": metrics.f1_score,
    "mcc": metrics.matthews_corrcoef,
    "youden": lambda y, taken: metrics.balanced_accuracy_score(y, taken, adjusted=True),
}


def test_the_table_is_scikit_learns():
    table = threshold_table(P, Y)
    assert len(table.table) == 50
    assert table.table[0].threshold is None
    for row in table.table:
        taken = (np.inf if row.threshold is None else row.threshold) <= P
        matrix = [[row.true_negatives, row.false_positives], [row.false_negatives, row.true_positives]]
        assert metrics.confusion_matrix(Y, taken).tolist() == matrix
        for name, measure in MEASURES.items():
            assert (getattr(row, name) or 0) == pytest.approx(measure(Y, taken), abs=1e-12), name
        assert (row.precision or 0) == pytest.approx(metrics.precision_score(Y, taken, zero_division=0))
        assert row.recall == pytest.approx(metrics.recall_score(Y, taken))


@pytest.mark.parametrize("name", MEASURES)
def test_the_best_threshold_is_the_best_of_all(name):
    best = threshold_table(P, Y, name)
    values = {t: MEASURES[name](Y, t <= P) for t in np.unique(P)}
    assert getattr(best.chosen, name) == pytest.approx(max(values.values()))
    assert values[best.chosen.threshold] == pytest.approx(max(values.values()))
    assert best.best[name] == best.chosen
    assert best.chosen_by == name


def test_costs_move_the_threshold():
    def cost(taken, choice):
        wrong = choice.false_positive * (taken & ~Y).sum() + choice.false_negative * (~taken & Y).sum()
        return float(wrong)

    found = []
    for costs in (Costs(false_positive=1, false_negative=5), Costs(false_positive=5, false_negative=1)):
        chosen = threshold_table(P, Y, CostChoice(costs=costs)).chosen
        least = min(cost(t <= P, costs) for t in [*np.unique(P), np.inf])
        assert chosen.cost == pytest.approx(least)
        found.append(chosen.threshold)
    assert found[0] < found[1]


def test_rows_of_one_class():
    table = threshold_table(np.array([0.2, 0.7]), np.array([False, False]))
    assert table.best["accuracy"].threshold is None
    assert "youden" not in table.best
    assert table.table[-1].recall is None
    assert table.table[-1].mcc == 0


def test_reliability_is_scikit_learns_curve():
    found = reliability(P, Y, "positive_class")
    observed, predicted = calibration_curve(Y, P, n_bins=10)
    np.testing.assert_allclose([each.observed for each in found.bins], observed)
    np.testing.assert_allclose([each.predicted for each in found.bins], predicted)
    weights = [each.rows for each in found.bins]
    assert sum(weights) == len(P)
    assert found.ece == pytest.approx(np.average(np.abs(observed - predicted), weights=weights))
    assert found.max_error == pytest.approx(np.abs(observed - predicted).max())


def test_gains_by_hand():
    p = np.array([0.9, 0.8, 0.8, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    y = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 1], bool)
    rows = {gain.rows: gain for gain in gains(p, y)}
    assert rows[1].gain == pytest.approx(1 / 3)
    assert rows[1].lift == pytest.approx(10 / 3)
    assert rows[2].positives == pytest.approx(1 + 1 / 3)  # one of three equal rows
    assert rows[4].gain == pytest.approx(2 / 3)
    assert rows[10].gain == 1
    assert rows[10].lift == 1
    assert gains(p, y & False) == []


def test_gains_are_the_ranking_of_distinct_scores():
    p = RNG.random(200)
    y = RNG.random(200) < 0.3
    order = np.argsort(-p)
    for gain in gains(p, y):
        assert gain.positives == pytest.approx(y[order[: gain.rows]].sum())
        assert gain.threshold == p[order[gain.rows - 1]]
