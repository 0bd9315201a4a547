"""What to keep in mind when a model is used: sentences that follow from how it was made and tried."""

from collections.abc import Iterator

from app.jobs.schemas import Job
from app.models.schemas import Model
from engine.reports import AnyEvaluation, RowsOf
from engine.tasks import Task

FEW_ROWS = 200  # behind a report, below which it is said
RARE = 20  # training rows of a class, likewise

_SEEN: dict[RowsOf, str] = {
    "training": "The figures come from the rows that it was trained on: they say nothing about new rows.",
    "validation": "The validation rows also chose the best epoch: expect new rows to be answered somewhat worse.",
    "out_of_fold": "The figures are of networks that did not train on the rows; the model is all of them together.",
}
_WITHOUT_CALIBRATION: frozenset[Task] = frozenset({"autoencoding"})


def limits(model: Model, job: Job | None) -> list[str]:
    """The sentences, the most important ones first."""
    return [*_of_origin(model, job), *_of_report(model.evaluation), *_of_answers(model)]


def _of_origin(model: Model, job: Job | None) -> Iterator[str]:
    if model.lineage.imported is not None:
        yield "It was imported: nothing is known here of its data and its training."
        return
    if model.dataset_id is None:
        yield "Its data set was deleted: it cannot be trained again here."
    if job is None:
        return
    for label, rows in (job.plan.class_counts or {}).items():
        if rows < RARE:
            yield f"The class {label} had {rows} training rows only."
    for warning in job.plan.warnings:
        yield f"Its data: {warning.detail}."
    for finding in job.findings:
        yield f"Its training: {finding.title}."
    if job.environment_changed:
        yield "It went on from a checkpoint of another environment: its bits may not come again."


def _of_report(evaluation: AnyEvaluation | None) -> Iterator[str]:
    if evaluation is None:
        yield "No rows were kept to try it on: how good it is was not seen."
        return
    if sentence := _SEEN.get(evaluation.of):
        yield sentence
    if evaluation.test is None:
        yield "No test rows were set aside, which nothing about the training has seen."
    if evaluation.rows < FEW_ROWS:
        yield f"Only {evaluation.rows} rows stand behind the figures, which may well be off."
    if evaluation.temperature is not None and evaluation.temperature.temperature != 1:
        yield (
            f"Its probabilities are scaled by a temperature of {evaluation.temperature.temperature:.3g}, "
            "fitted on the validation rows."
        )


def _of_answers(model: Model) -> Iterator[str]:
    if any(feature.categories is not None for feature in model.features):
        yield "Categories that it has not seen are answered as well, with a warning beside the answer."
    yield "Missing values are filled in, with a warning beside the answer."
    evaluation = model.evaluation
    if model.task in _WITHOUT_CALIBRATION or evaluation is None:
        return
    if evaluation.conformal is None:
        yield "It has no calibration rows: it gives no sets or intervals that hold the truth with a known probability."
    elif evaluation.conformal.detail is not None:
        yield f"Its sets or intervals: {evaluation.conformal.detail}."
