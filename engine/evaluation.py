"""How good a model is on rows that it was not trained on: the validation report.

Every figure is the one that scikit-learn computes under its name, in NumPy. A figure that is undefined for
the rows at hand (the ROC AUC of a single class, R2 of a constant) is null, never a stand-in.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.confusion import Confusion
from engine.ranking import Ranking
from engine.reports import (
    AnyEvaluation,
    AveragedFigures,
    BinaryEvaluation,
    CountEvaluation,
    MulticlassEvaluation,
    MultilabelEvaluation,
    MultilabelFigures,
    OrdinalEvaluation,
    ReconstructionEvaluation,
    RegressionEvaluation,
    RowsOf,
    TargetFigures,
)
from engine.trust.gains import gains
from engine.trust.reliability import reliability
from engine.trust.scores import clipped
from engine.trust.thresholds import ThresholdChoice, threshold_table

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.target import AnyTarget, ClassTarget, MultilabelTarget, RegressionTarget

__all__ = ["AnyEvaluation", "evaluate"]

Figures = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def evaluate(
    target: "AnyTarget",
    answers: Figures,
    truth: Figures,
    *,
    of: RowsOf = "validation",
    threshold_by: ThresholdChoice | None = None,
) -> AnyEvaluation:
    """Compare `answers` with `truth`, both (rows, outputs) as `target` makes them.

    `threshold_by`: how to choose the threshold of a binary answer, besides the best by each measure. Raises
    `ValueError` for no rows and for shapes that differ.
    """
    if answers.shape != truth.shape or not len(truth):
        raise ValueError(
            f"answers {answers.shape} and truth {truth.shape} must have the same rows, at least one"
        )
    report = _report_of(target, answers, truth, threshold_by)
    report.of = of
    return report


def _report_of(  # noqa: PLR0911 - one report a task
    target: "AnyTarget", answers: Figures, truth: Figures, threshold_by: ThresholdChoice | None
) -> AnyEvaluation:
    match target.kind:
        case "binary":
            return _binary(target, answers[:, 0], truth[:, 0], threshold_by)
        case "multiclass":
            return _multiclass(target, answers, truth)
        case "ordinal":
            return _ordinal(target, answers, truth)
        case "multilabel":
            return _multilabel(target, answers, truth)
        case "regression":
            return _regression(target, answers, truth)
        case "count":
            return _count(target, answers, truth)
        case "autoencoding":
            return _reconstruction(answers, truth)


def _binary(
    target: "ClassTarget", p: Figures, y: Figures, threshold_by: ThresholdChoice | None
) -> BinaryEvaluation:
    confusion = Confusion(target.classes, y.astype(np.intp), (p > 0.5).astype(np.intp))
    ranking = Ranking(p, y == 1)
    return BinaryEvaluation(
        rows=len(y),
        accuracy=confusion.accuracy,
        balanced_accuracy=confusion.balanced_accuracy,
        log_loss=_log_loss(p, y),
        roc_auc=ranking.roc_auc(),
        average_precision=ranking.average_precision(),
        brier=float(np.square(p - y).mean()),
        macro_f1=confusion.macro_f1,
        per_class=confusion.per_class(),
        confusion_labels=list(target.classes),
        confusion=confusion.matrix.tolist(),
        roc_curve=ranking.roc_curve(),
        precision_recall_curve=ranking.precision_recall_curve(),
        reliability=reliability(p, y == 1, "positive_class"),
        thresholds=threshold_table(p, y == 1, threshold_by),
        gains=gains(p, y == 1),
    )


def _multiclass(target: "ClassTarget", p: Figures, y: Figures) -> MulticlassEvaluation:
    confusion = Confusion(target.classes, y.argmax(axis=1), target.winners(p))
    return MulticlassEvaluation(**_of_classes(confusion, p, y))


def _ordinal(target: "ClassTarget", p: Figures, y: Figures) -> OrdinalEvaluation:
    confusion = Confusion(target.classes, y.argmax(axis=1), target.winners(p))
    return OrdinalEvaluation(
        **_of_classes(confusion, p, y),
        mean_absolute_rank_error=confusion.mean_absolute_rank_error,
        quadratic_kappa=confusion.quadratic_kappa,
    )


def _of_classes(confusion: Confusion, p: Figures, y: Figures) -> dict[str, Any]:
    """What the reports of one column a class have in common."""
    areas = [Ranking(scores, truth == 1).roc_auc() for scores, truth in zip(p.T, y.T, strict=True)]
    return {
        "rows": len(y),
        "accuracy": confusion.accuracy,
        "balanced_accuracy": confusion.balanced_accuracy,
        "log_loss": float(-np.log(clipped(p[y == 1])).mean()),
        "roc_auc": _mean(areas),
        "brier": float(np.square(p - y).sum(axis=1).mean()),
        "macro_f1": confusion.macro_f1,
        "per_class": confusion.per_class(),
        "confusion_labels": list(confusion.labels),
        "confusion": confusion.matrix.tolist(),
        "reliability": reliability(
            p.max(axis=1), p.argmax(axis=1) == y.argmax(axis=1), "most_probable_class"
        ),
    }


def _multilabel(target: "MultilabelTarget", p: Figures, y: Figures) -> MultilabelEvaluation:
    right = (p > 0.5) == (y == 1)
    labels = [_label(name, p[:, i], y[:, i]) for i, name in enumerate(target.names)]
    return MultilabelEvaluation(
        rows=len(y),
        accuracy=float(right.all(axis=1).mean()),
        hamming_loss=float(1 - right.mean()),
        reliability=reliability(p.ravel(), y.ravel() == 1, "all_labels"),
        log_loss=float(np.mean([label.log_loss for label in labels])),
        per_label=labels,
        micro=AveragedFigures(**_label("all", p.ravel(), y.ravel()).model_dump()),
        macro=AveragedFigures(
            precision=_mean([label.precision for label in labels]),
            recall=_mean([label.recall for label in labels]),
            f1=_mean([label.f1 for label in labels]),
            roc_auc=_mean([label.roc_auc for label in labels]),
            average_precision=_mean([label.average_precision for label in labels]),
        ),
    )


def _label(name: str, p: Figures, y: Figures) -> MultilabelFigures:
    confusion = Confusion((False, True), y.astype(np.intp), (p > 0.5).astype(np.intp))
    ranking = Ranking(p, y == 1)
    _, found = confusion.per_class()
    return MultilabelFigures(
        label=name,
        precision=found.precision,
        recall=found.recall,
        f1=found.f1,
        support=found.support,
        accuracy=confusion.accuracy,
        log_loss=_log_loss(p, y),
        roc_auc=ranking.roc_auc(),
        average_precision=ranking.average_precision(),
    )


def _regression(target: "RegressionTarget", answers: Figures, truth: Figures) -> RegressionEvaluation:
    return RegressionEvaluation(**_of_numbers(target, answers, truth))


def _count(target: "RegressionTarget", answers: Figures, truth: Figures) -> CountEvaluation:
    return CountEvaluation(
        **_of_numbers(target, answers, truth), mean_poisson_deviance=_poisson_deviance(answers, truth)
    )


def _poisson_deviance(answers: Figures, truth: Figures) -> float:
    """Of answers that may be 0, or below under a loss that allows it, as if they were the least above 0."""
    means = np.maximum(answers, np.finfo(np.float64).eps)
    logarithms = np.log(np.where(truth > 0, truth / means, 1.0))
    return float((2 * (truth * logarithms - truth + means)).mean())


def _of_numbers(target: "RegressionTarget", answers: Figures, truth: Figures) -> dict[str, Any]:
    """What the reports of numbers have in common."""
    targets = [_target(name, answers[:, i], truth[:, i]) for i, name in enumerate(target.names)]
    return {
        "rows": len(truth),
        "rmse": float(np.mean([figures.rmse for figures in targets])),
        "mae": float(np.mean([figures.mae for figures in targets])),
        "median_absolute_error": float(np.mean([figures.median_absolute_error for figures in targets])),
        "r2": _mean([figures.r2 for figures in targets]),
        "explained_variance": _mean([figures.explained_variance for figures in targets]),
        "targets": targets,
    }


def _target(name: str, answers: Figures, truth: Figures) -> TargetFigures:
    residuals = truth - answers
    squares = float(np.square(residuals).mean())
    variance = float(truth.var()) if truth.min() < truth.max() else 0.0
    return TargetFigures(
        target=name,
        rmse=float(np.sqrt(squares)),
        mae=float(np.abs(residuals).mean()),
        median_absolute_error=float(np.median(np.abs(residuals))),
        r2=1 - squares / variance if variance else None,
        explained_variance=1 - float(residuals.var()) / variance if variance else None,
        residual_quantiles=_quantiles(residuals),
    )


def _reconstruction(answers: Figures, truth: Figures) -> ReconstructionEvaluation:
    errors = np.square(answers - truth).mean(axis=1)
    return ReconstructionEvaluation(
        rows=len(truth), reconstruction_error=float(errors.mean()), error_quantiles=_quantiles(errors)
    )


def _log_loss(p: Figures, y: Figures) -> float:
    """-mean (y ln p + (1 - y) ln(1 - p))."""
    return float(-np.log(clipped(np.where(y == 1, p, 1 - p))).mean())


def _mean(figures: Sequence[float | None]) -> float | None:
    """The mean, unless one is undefined."""
    defined = [figure for figure in figures if figure is not None]
    return float(np.mean(defined)) if len(defined) == len(figures) else None


def _quantiles(values: Figures) -> dict[str, float]:
    """Linear interpolation between neighbours."""
    return dict(zip(map(str, QUANTILES), np.quantile(values, QUANTILES).tolist(), strict=True))
