"""Every figure of the report against scikit-learn's."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sklearn import metrics

from engine.encoding.target import ClassTarget, MultilabelTarget, ReconstructionTarget, RegressionTarget
from engine.evaluation import AnyEvaluation, evaluate
from engine.ranking import CURVE_POINTS

close = pytest.approx
TIED = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)
TIGHT = {"rel": 1e-9, "abs": 1e-9}


def binary(p, y):
    target = ClassTarget(kind="binary", name="y", classes=("no", "yes"))
    return evaluate(target, np.array(p, float)[:, None], np.array(y, float)[:, None])


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(TIED, st.booleans()), min_size=1, max_size=60))
def test_binary(rows):
    p, y = (np.array(column) for column in zip(*rows, strict=True))
    report = binary(p, y)
    labels = [False, True]
    predicted = p > 0.5
    assert report.rows == len(rows)
    assert report.accuracy == close(metrics.accuracy_score(y, predicted), **TIGHT)
    assert report.log_loss == close(metrics.log_loss(y, p, labels=labels), **TIGHT)
    assert report.brier == close(metrics.brier_score_loss(y, p, labels=labels, pos_label=True), **TIGHT)
    assert report.confusion == metrics.confusion_matrix(y, predicted, labels=labels).tolist()
    assert report.macro_f1 == close(metrics.f1_score(y, predicted, average="macro"), **TIGHT)
    recalls = [figures.recall for figures in report.per_class if figures.support]
    assert report.balanced_accuracy == close(np.mean(recalls), **TIGHT)
    check_per_class(report.per_class, y, predicted, labels)
    if y.all() or not y.any():
        assert report.roc_auc is None
        assert report.roc_curve is None
    else:
        assert report.balanced_accuracy == close(metrics.balanced_accuracy_score(y, predicted), **TIGHT)
        assert report.roc_auc == close(metrics.roc_auc_score(y, p), **TIGHT)
    if y.any():
        assert report.average_precision == close(metrics.average_precision_score(y, p), **TIGHT)
    else:
        assert report.average_precision is None
        assert report.precision_recall_curve is None


def check_per_class(per_class, y, predicted, labels):
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, predicted, labels=labels, zero_division=np.nan
    )
    assert [figures.support for figures in per_class] == support.tolist()
    for i, figures in enumerate(per_class):
        for ours, theirs in ((figures.precision, precision), (figures.recall, recall), (figures.f1, f1)):
            assert (np.nan if ours is None else ours) == close(theirs[i], **TIGHT, nan_ok=True)


def test_curves_are_scikit_learns():
    rng = np.random.default_rng(0)
    y = rng.random(100) < 0.4
    p = np.round(rng.random(100), 1)  # ties
    report = binary(p, y)
    fpr, tpr, thresholds = metrics.roc_curve(y, p, drop_intermediate=False)
    np.testing.assert_allclose(report.roc_curve.false_positive_rate, fpr)
    np.testing.assert_allclose(report.roc_curve.true_positive_rate, tpr)
    np.testing.assert_allclose(report.roc_curve.threshold[1:], thresholds[1:])
    assert report.roc_curve.threshold[0] is None
    precision, recall, thresholds = metrics.precision_recall_curve(y, p)
    np.testing.assert_allclose(report.precision_recall_curve.precision, precision[::-1])
    np.testing.assert_allclose(report.precision_recall_curve.recall, recall[::-1])
    np.testing.assert_allclose(report.precision_recall_curve.threshold[1:], thresholds[::-1])


def test_long_curves_are_thinned_and_keep_their_ends():
    rng = np.random.default_rng(0)
    y, p = rng.random(5000) < 0.5, rng.random(5000)
    curve = binary(p, y).roc_curve
    assert len(curve.threshold) == len(curve.true_positive_rate) == CURVE_POINTS
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.booleans())
def test_multiclass(seed, rows, ties):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, rows)  # some classes are absent from few rows
    logits = rng.integers(0, 3, (rows, 4)) if ties else rng.standard_normal((rows, 4)) * 3
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    target = ClassTarget(kind="multiclass", name="y", classes=(3, 5, 7, 9))
    report = evaluate(target, p, np.eye(4)[codes])
    predicted = p.argmax(axis=1)
    assert report.accuracy == close(metrics.accuracy_score(codes, predicted), **TIGHT)
    assert report.log_loss == close(metrics.log_loss(codes, p, labels=range(4)), **TIGHT)
    assert report.brier == close(metrics.brier_score_loss(codes, p, labels=range(4)), **TIGHT)
    assert report.macro_f1 == close(metrics.f1_score(codes, predicted, average="macro"), **TIGHT)
    assert report.confusion == metrics.confusion_matrix(codes, predicted, labels=range(4)).tolist()
    assert report.confusion_labels == [3, 5, 7, 9]
    check_per_class(report.per_class, codes, predicted, range(4))
    if len(set(codes)) == 4:
        theirs = metrics.roc_auc_score(codes, p, multi_class="ovr", labels=range(4))
        assert report.roc_auc == close(theirs, **TIGHT)
        assert report.balanced_accuracy == close(metrics.balanced_accuracy_score(codes, predicted), **TIGHT)
    else:
        assert report.roc_auc is None


def test_multilabel():
    rng = np.random.default_rng(3)
    y, p = (rng.random((50, 3)) < 0.4).astype(float), np.round(rng.random((50, 3)), 2)
    report = evaluate(MultilabelTarget(names=("a", "b", "c")), p, y)
    predicted = (p > 0.5).astype(float)
    assert report.accuracy == close(metrics.accuracy_score(y, predicted), **TIGHT)
    assert report.hamming_loss == close(metrics.hamming_loss(y, predicted), **TIGHT)
    for average in ("micro", "macro"):
        ours = getattr(report, average)
        assert ours.precision == close(metrics.precision_score(y, predicted, average=average), **TIGHT)
        assert ours.recall == close(metrics.recall_score(y, predicted, average=average), **TIGHT)
        assert ours.f1 == close(metrics.f1_score(y, predicted, average=average), **TIGHT)
        assert ours.roc_auc == close(metrics.roc_auc_score(y, p, average=average), **TIGHT)
        theirs = metrics.average_precision_score(y, p, average=average)
        assert ours.average_precision == close(theirs, **TIGHT)
    losses = [metrics.log_loss(y[:, i], p[:, i]) for i in range(3)]
    assert [label.log_loss for label in report.per_label] == close(losses, **TIGHT)
    assert report.log_loss == close(np.mean(losses), **TIGHT)
    assert [label.label for label in report.per_label] == ["a", "b", "c"]
    check_per_class(report.per_label[:1], y[:, 0], predicted[:, 0], [1])
    assert report.per_label[0].accuracy == close(metrics.accuracy_score(y[:, 0], predicted[:, 0]), **TIGHT)


def test_a_label_that_never_holds_has_no_macro_figures():
    y, p = np.array([[1.0, 0], [0, 0]]), np.array([[0.9, 0.1], [0.2, 0.3]])
    report = evaluate(MultilabelTarget(names=("a", "b")), p, y)
    assert (report.macro.roc_auc, report.macro.recall, report.micro.recall) == (None, None, 1)


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 3))
def test_regression(seed, rows, targets):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((rows, targets)) * 100 + 1000
    answers = truth + rng.standard_normal((rows, targets)) * 10 + 3
    names = tuple("abc"[:targets])
    target = RegressionTarget(names=names, means=(0.0,) * targets, stds=(1.0,) * targets)
    report = evaluate(target, answers, truth)
    for ours, theirs in (
        ("rmse", metrics.root_mean_squared_error),
        ("mae", metrics.mean_absolute_error),
        ("median_absolute_error", metrics.median_absolute_error),
        ("r2", metrics.r2_score),
        ("explained_variance", metrics.explained_variance_score),
    ):
        assert getattr(report, ours) == close(theirs(truth, answers), **TIGHT)
        each = [getattr(figures, ours) for figures in report.targets]
        assert each == close(theirs(truth, answers, multioutput="raw_values"), **TIGHT)
    residuals = truth[:, 0] - answers[:, 0]
    assert report.targets[0].residual_quantiles == {
        str(q): close(np.quantile(residuals, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)
    }


def test_r2_of_a_constant_is_undefined():
    target = RegressionTarget(names=("a",), means=(0.0,), stds=(1.0,))
    report = evaluate(target, np.array([[0.1], [0.2]]), np.array([[0.1], [0.1]]))
    assert (report.r2, report.explained_variance) == (None, None)
    assert report.mae == close(0.05)


def test_reconstruction():
    report = evaluate(ReconstructionTarget(width=2), np.array([[1.0, 3], [0, 0]]), np.zeros((2, 2)))
    assert report.reconstruction_error == 2.5
    assert report.error_quantiles["0.5"] == 2.5


def test_reports_survive_json():
    for report in (binary([0.2, 0.7, 0.7], [0, 1, 0]), binary([0.3], [1])):
        adapter = TypeAdapter(AnyEvaluation)
        assert adapter.validate_json(adapter.dump_json(report)) == report


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="the same rows, at least one"):
        binary([], [])
    with pytest.raises(ValueError, match="the same rows, at least one"):
        binary([0.5], [0, 1])


def test_reports_need_no_tables():
    code = "import sys, engine.evaluation, engine.encoding; assert 'polars' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
