"""How good a model is on rows that it was not trained on: the validation report.

Every figure is the one that scikit-learn computes under its name, in NumPy. A figure that is undefined for
the rows at hand (the ROC AUC of a single class, R2 of a constant) is null, never a stand-in.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from engine.confusion import Confusion, LabelFigures
from engine.encoding.description import Label
from engine.ranking import PrecisionRecallCurve, Ranking, RocCurve

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.target import AnyTarget, ClassTarget, MultilabelTarget, RegressionTarget

Figures = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Evaluation(BaseModel):
    """What all reports have."""

    rows: int


class ClassEvaluation(Evaluation):
    """The report of a classification."""

    accuracy: float
    balanced_accuracy: float = Field(description="Mean recall of the classes that occur.")
    log_loss: float = Field(description="-mean ln p of the true class, p clipped to the float's epsilon.")
    roc_auc: float | None
    macro_f1: float = Field(description="Mean over the classes that occur or were predicted.")
    per_class: list[LabelFigures]
    confusion_labels: list[Label]
    confusion: list[list[int]] = Field(description="[true class][predicted class].")


class BinaryEvaluation(ClassEvaluation):
    """The report of two classes, of which the second one is the positive one."""

    kind: Literal["binary"] = "binary"
    brier: float = Field(description="Mean (p - y)^2.")
    average_precision: float | None
    roc_curve: RocCurve | None
    precision_recall_curve: PrecisionRecallCurve | None


class MulticlassEvaluation(ClassEvaluation):
    """The report of several classes. The ROC AUC is the mean of each class against the rest."""

    kind: Literal["multiclass"] = "multiclass"
    brier: float = Field(description="Mean over the rows of sum_k (p_k - y_k)^2.")


class MultilabelFigures(LabelFigures):
    """One label's figures, which are those of a binary task."""

    accuracy: float
    log_loss: float
    roc_auc: float | None
    average_precision: float | None


class AveragedFigures(BaseModel):
    """Figures over all labels: all decisions in one pot (micro) or the labels' mean (macro)."""

    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    average_precision: float | None


class MultilabelEvaluation(Evaluation):
    """The report of several labels that hold or not, each at a threshold of 1/2."""

    kind: Literal["multilabel"] = "multilabel"
    accuracy: float = Field(description="Rows in which every label is right.")
    hamming_loss: float = Field(description="Share of wrong decisions.")
    log_loss: float = Field(description="Mean over the labels.")
    per_label: list[MultilabelFigures]
    micro: AveragedFigures
    macro: AveragedFigures = Field(description="Null where a label's figure is.")


class RegressionFigures(BaseModel):
    """How far values are from the truth, in the target's unit; a residual is truth - answer."""

    rmse: float
    mae: float
    median_absolute_error: float
    r2: float | None = Field(description="1 - sum (y - a)^2 / sum (y - mean y)^2; null for a constant truth.")
    explained_variance: float | None = Field(
        description="1 - var(y - a) / var(y); null for a constant truth."
    )


class TargetFigures(RegressionFigures):
    """The figures of one target of a regression."""

    target: str
    residual_quantiles: dict[str, float]


class RegressionEvaluation(Evaluation, RegressionFigures):
    """The report of a regression; with several targets its own figures are the targets' means."""

    kind: Literal["regression"] = "regression"
    targets: list[TargetFigures]


class ReconstructionEvaluation(Evaluation):
    """The report of an autoencoder: each row's mean squared error, in the unit of the encoded input."""

    kind: Literal["autoencoding"] = "autoencoding"
    reconstruction_error: float = Field(description="Mean over the rows.")
    error_quantiles: dict[str, float]


AnyEvaluation = Annotated[
    BinaryEvaluation
    | MulticlassEvaluation
    | MultilabelEvaluation
    | RegressionEvaluation
    | ReconstructionEvaluation,
    Field(discriminator="kind"),
]
"""Any report, told apart by `kind`, which is the task's name."""


def evaluate(target: "AnyTarget", answers: Figures, truth: Figures) -> AnyEvaluation:
    """Compare `answers` with `truth`, both (rows, outputs) as `target` makes them.

    Raises `ValueError` for no rows and for shapes that differ.
    """
    if answers.shape != truth.shape or not len(truth):
        raise ValueError(
            f"answers {answers.shape} and truth {truth.shape} must have the same rows, at least one"
        )
    match target.kind:
        case "binary":
            return _binary(target, answers[:, 0], truth[:, 0])
        case "multiclass":
            return _multiclass(target, answers, truth)
        case "multilabel":
            return _multilabel(target, answers, truth)
        case "regression":
            return _regression(target, answers, truth)
        case "autoencoding":
            return _reconstruction(answers, truth)


def _binary(target: "ClassTarget", p: Figures, y: Figures) -> BinaryEvaluation:
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
    )


def _multiclass(target: "ClassTarget", p: Figures, y: Figures) -> MulticlassEvaluation:
    confusion = Confusion(target.classes, y.argmax(axis=1), p.argmax(axis=1))
    areas = [Ranking(scores, truth == 1).roc_auc() for scores, truth in zip(p.T, y.T, strict=True)]
    return MulticlassEvaluation(
        rows=len(y),
        accuracy=confusion.accuracy,
        balanced_accuracy=confusion.balanced_accuracy,
        log_loss=float(-np.log(_clipped(p[y == 1])).mean()),
        roc_auc=_mean(areas),
        brier=float(np.square(p - y).sum(axis=1).mean()),
        macro_f1=confusion.macro_f1,
        per_class=confusion.per_class(),
        confusion_labels=list(target.classes),
        confusion=confusion.matrix.tolist(),
    )


def _multilabel(target: "MultilabelTarget", p: Figures, y: Figures) -> MultilabelEvaluation:
    right = (p > 0.5) == (y == 1)
    labels = [_label(name, p[:, i], y[:, i]) for i, name in enumerate(target.names)]
    return MultilabelEvaluation(
        rows=len(y),
        accuracy=float(right.all(axis=1).mean()),
        hamming_loss=float(1 - right.mean()),
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
    targets = [_target(name, answers[:, i], truth[:, i]) for i, name in enumerate(target.names)]
    return RegressionEvaluation(
        rows=len(truth),
        rmse=float(np.mean([figures.rmse for figures in targets])),
        mae=float(np.mean([figures.mae for figures in targets])),
        median_absolute_error=float(np.mean([figures.median_absolute_error for figures in targets])),
        r2=_mean([figures.r2 for figures in targets]),
        explained_variance=_mean([figures.explained_variance for figures in targets]),
        targets=targets,
    )


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
    return float(-np.log(_clipped(np.where(y == 1, p, 1 - p))).mean())


def _clipped(p: Figures) -> Figures:
    """Keep the logarithm finite, as scikit-learn does."""
    epsilon = np.finfo(np.float64).eps
    return np.clip(p, epsilon, 1 - epsilon)


def _mean(figures: Sequence[float | None]) -> float | None:
    """The mean, unless one is undefined."""
    defined = [figure for figure in figures if figure is not None]
    return float(np.mean(defined)) if len(defined) == len(figures) else None


def _quantiles(values: Figures) -> dict[str, float]:
    """Linear interpolation between neighbours."""
    return dict(zip(map(str, QUANTILES), np.quantile(values, QUANTILES).tolist(), strict=True))
