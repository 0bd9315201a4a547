"""Sets and intervals hold the truth as often as they say: on average over splits, for any model."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from engine.encoding.target import ClassTarget, RegressionTarget
from engine.trust.assurance import conformal_of, shortage, with_coverage
from engine.trust.conformal import least_rows, rank, threshold
from engine.trust.coverage import conformal_report
from engine.trust.linear import fit_linear


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_the_rank_is_the_least_that_covers(rows, coverage):
    place = rank(rows, coverage)
    assert place / (rows + 1) >= coverage - 1e-12
    assert (place - 1) / (rows + 1) < coverage
    assert (place <= rows) == (rows >= least_rows(coverage))


def test_quantiles_by_hand():
    scores = np.arange(1.0, 10.0)
    assert threshold(scores, 0.9) == 9
    assert threshold(scores, 0.5) == 5
    assert threshold(scores[:8], 0.9) == math.inf
    assert [least_rows(coverage) for coverage in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]


def test_exact_coverage_over_all_orders():
    """Of n + 1 exchangeable distinct scores each is the new one as often: the coverage is rank / (n + 1)."""
    scores = np.random.default_rng(0).random(30)
    held = [threshold(np.sort(np.delete(scores, i)), 0.9) >= scores[i] for i in range(30)]
    assert np.mean(held) == pytest.approx(27 / 30)


DATA = [
    (load_iris, "multiclass"),
    (load_wine, "multiclass"),
    (load_breast_cancer, "binary"),
    (load_digits, "multiclass"),
    (load_diabetes, "regression"),
]
SPLITS, COVERAGE = 40, 0.9


@pytest.mark.parametrize(("load", "task"), DATA, ids=lambda each: getattr(each, "__name__", each))
def test_mean_coverage_over_random_splits(load, task):
    """One linear model on a third of the rows; the others are calibration and test rows, parted anew each time."""
    x, y = load(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    fitted, rest = order[: len(x) // 3], order[len(x) // 3 :]
    truth = np.eye(y.max() + 1)[y] if task == "multiclass" else y[:, None].astype(float)
    model = fit_linear(x[fitted], truth[fitted], task, tolerance=1e-3)
    answers = model.answers(x)
    target = (
        RegressionTarget(names=("y",), means=(0,), stds=(1,))
        if task == "regression"
        else ClassTarget(kind=task, name="y", classes=tuple(range(max(2, truth.shape[1]))))
    )
    calibration = len(rest) // 2
    covered = []
    for _ in range(SPLITS):
        mixed = rng.permutation(rest)
        known, new = mixed[:calibration], mixed[calibration:]
        conformal = conformal_of(answers[known], truth[known], task)
        report = conformal_report(conformal, target, answers[new], truth[new])
        covered += [each.observed for each in report.observed if each.coverage == COVERAGE]
    # Of one split the coverage varies; 3 standard errors of the mean of few splits are allowed for.
    slack = 3 * np.std(covered) / math.sqrt(SPLITS)
    assert COVERAGE - slack <= np.mean(covered) <= COVERAGE + 1 / (calibration + 1) + slack


def test_predictions_hold_what_the_scores_say():
    target = ClassTarget(kind="multiclass", name="y", classes=("a", "b", "c"))
    p = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8]])
    scores = conformal_of(np.repeat(p, 3, axis=0), np.eye(3)[[0, 0, 1, 0, 1, 2, 2, 2, 2]], "multiclass")
    q = sorted([0.3, 0.3, 0.8, 0.6, 0.65, 0.75, 0.2, 0.2, 0.2])[7]  # the 8th of 9 at 0.75
    rows = with_coverage(scores, target.decode(p, p), p, target, 0.75)
    expected = [[label for label, one in zip("abc", row, strict=True) if 1 - one <= q] for row in p]
    assert [row["set"] for row in rows] == expected
    assert {row["coverage"] for row in rows} == {0.75}
    assert shortage(scores, 0.75) is None
    assert "at least 19 calibration rows, the model has 9" in shortage(scores, 0.95)
    assert with_coverage(scores, [{}], p[:1], target, 0.95)[0]["set"] == ["a", "b", "c"]


def test_binary_sets_are_those_of_both_classes():
    p = np.array([[0.9], [0.2], [0.6], [0.05]])
    one = conformal_of(p, np.array([[1.0], [0.0], [0.0], [0.0]]), "binary")
    two = conformal_of(np.c_[1 - p, p], np.eye(2)[[1, 0, 0, 0]], "multiclass")
    assert one == two
    target = ClassTarget(kind="binary", name="y", classes=(False, True))
    assert [row["set"] for row in with_coverage(one, [{}] * 4, p, target, 0.6)] == [
        [True],
        [False],
        [],
        [False],
    ]


def test_intervals_of_several_targets():
    target = RegressionTarget(names=("a", "b"), means=(0, 0), stds=(1, 1))
    answers = np.zeros((9, 2))
    truth = np.c_[np.arange(9), -10 * np.arange(9)].astype(float)
    scores = conformal_of(answers, truth, "regression")
    (row,) = with_coverage(scores, [{}], np.array([[1.0, 2.0]]), target, 0.8)
    assert row["intervals"] == {
        "a": {"coverage": 0.8, "low": -6, "high": 8},
        "b": {"coverage": 0.8, "low": -68, "high": 72},
    }
    (row,) = with_coverage(scores, [{}], np.array([[1.0, 2.0]]), target, 0.95)
    assert row["intervals"]["a"] == {"coverage": 0.95, "low": None, "high": None}


def test_tasks_without_them():
    with pytest.raises(ValueError, match="multilabel has no conformal"):
        conformal_of(np.zeros((2, 2)), np.zeros((2, 2)), "multilabel")
    assert with_coverage(None, [{"a": 1}], np.zeros((1, 1)), None, 0.9) == [{"a": 1}]
