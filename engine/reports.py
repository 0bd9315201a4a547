"""What the report of an evaluation looks like. Without polars, so cheap to import."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, Field

from engine.confusion import LabelFigures
from engine.encoding.description import Label
from engine.ranking import PrecisionRecallCurve, RocCurve
from engine.trust.baselines import Baselines
from engine.trust.coverage import Conformal
from engine.trust.gains import Gain
from engine.trust.learning_curve import LearningCurve
from engine.trust.reliability import Reliability
from engine.trust.slices import Slices
from engine.trust.temperature import TemperatureFit
from engine.trust.thresholds import ThresholdTable

RowsOf = Literal["training", "validation", "out_of_fold", "test", "dataset"]


class FoldFigures(BaseModel):
    """The figures of one fold's rows, answered by the network that did not train on them, at temperature 1."""

    fold: int = Field(description="Counts from 1.")
    rows: int
    figures: dict[str, float | None]


class Spread(BaseModel):
    """A figure over the folds."""

    mean: float
    std: float = Field(
        description="Of the sample: the squared deviations are divided by one less than the folds."
    )


class Evaluation(BaseModel):
    """What all reports have. Figures that were not asked for, or cannot be had, are null."""

    rows: int
    of: RowsOf = Field(
        "validation",
        description="Which rows the figures come from. validation: they chose the best epoch, and the temperature was "
        "fitted on them; out_of_fold: each answered by networks that did not train on it; test: nothing has seen them; "
        "dataset: the rows of another data set.",
    )


class Further(BaseModel):
    """What stands behind a report's own figures."""

    test: "AnyEvaluation | None" = Field(None, description="The same report on the test rows.")
    temperature: TemperatureFit | None = Field(
        None, description="How the probabilities were made as sure as they deserve to be."
    )
    conformal: Conformal | None = Field(
        None, description="How often sets or intervals held the truth on the rows of this report."
    )
    baselines: Baselines | None = Field(None, description="What simpler models make of the same rows.")
    slices: Slices | None = Field(None, description="Scores on parts of the rows.")
    learning_curve: LearningCurve | None = Field(
        None, description="Scores by the share of the training rows, where the recipe asked for them."
    )
    folds: list[FoldFigures] | None = Field(None, description="Each fold by itself.")
    spread: dict[str, Spread] | None = Field(None, description="The figures' spread over the folds.")


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
    reliability: Reliability | None = Field(
        None, description="Whether probabilities come true as often as they say."
    )


class BinaryEvaluation(Further, ClassEvaluation):
    """The report of two classes, of which the second one is the positive one."""

    kind: Literal["binary"] = "binary"
    brier: float = Field(description="Mean (p - y)^2.")
    average_precision: float | None
    roc_curve: RocCurve | None
    precision_recall_curve: PrecisionRecallCurve | None
    thresholds: ThresholdTable | None = Field(
        None, description="What follows from other thresholds than 1/2."
    )
    gains: list[Gain] | None = Field(None, description="The rows with the highest probabilities first.")


class MulticlassEvaluation(Further, ClassEvaluation):
    """The report of several classes. The ROC AUC is the mean of each class against the rest."""

    kind: Literal["multiclass"] = "multiclass"
    brier: float = Field(description="Mean over the rows of sum_k (p_k - y_k)^2.")


class OrdinalEvaluation(Further, ClassEvaluation):
    """The report of ordered classes, of which the median of the probabilities is predicted."""

    kind: Literal["ordinal"] = "ordinal"
    brier: float = Field(description="Mean over the rows of sum_k (p_k - y_k)^2.")
    mean_absolute_rank_error: float = Field(description="Ranks between predicted and true class.")
    quadratic_kappa: float | None = Field(
        description="Cohen's kappa with quadratic weights; null where there is one class only."
    )


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


class MultilabelEvaluation(Further, Evaluation):
    """The report of several labels that hold or not, each at a threshold of 1/2."""

    kind: Literal["multilabel"] = "multilabel"
    reliability: Reliability | None = Field(
        None, description="Whether probabilities come true as often as they say."
    )
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


class RegressionEvaluation(Further, RegressionFigures, Evaluation):
    """The report of a regression; with several targets its own figures are the targets' means."""

    kind: Literal["regression"] = "regression"
    targets: list[TargetFigures]


class CountEvaluation(Further, RegressionFigures, Evaluation):
    """The report of counts; with several targets its own figures are the targets' means."""

    kind: Literal["count"] = "count"
    mean_poisson_deviance: float = Field(description="Mean of 2 (y ln(y / a) - y + a); 0 ln 0 is 0.")
    targets: list[TargetFigures]


class ReconstructionEvaluation(Further, Evaluation):
    """The report of an autoencoder: each row's mean squared error, in the unit of the encoded input."""

    kind: Literal["autoencoding"] = "autoencoding"
    reconstruction_error: float = Field(description="Mean over the rows.")
    error_quantiles: dict[str, float]


AnyEvaluation = Annotated[
    BinaryEvaluation
    | MulticlassEvaluation
    | OrdinalEvaluation
    | MultilabelEvaluation
    | RegressionEvaluation
    | CountEvaluation
    | ReconstructionEvaluation,
    Field(discriminator="kind"),
]
"""Any report, told apart by `kind`, which is the task's name."""
for _report in get_args(get_args(AnyEvaluation)[0]):
    _report.model_rebuild()  # `test` is one of them
