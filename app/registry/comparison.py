"""Models or jobs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.jobs import service as jobs
from app.jobs.schemas import Job
from app.models import service as models
from app.models.schemas import Model
from app.problems import Invalid, NotFound
from app.registry.comparing import compared_metrics, compared_slices, different_parameters
from app.registry.comparison_schemas import Compared, Comparison, Curve


@dataclass(frozen=True)
class _Side:
    """One of what is compared."""

    item: Compared
    parameters: dict[str, Any]
    evaluation: dict[str, Any] | None
    rows: object  # what decides on which rows the report is


def of_models(session: Session, refs: Sequence[str], max_points: int) -> Comparison:
    """Compare models; raises `Invalid` with a pointer to a ref that names none."""
    return _compared(session, [_model_side(session, place, ref) for place, ref in _placed(refs)], max_points)


def of_jobs(session: Session, job_ids: Sequence[str], max_points: int) -> Comparison:
    """Compare jobs, finished or not; raises `Invalid` with a pointer to an id that names none."""
    return _compared(
        session, [_job_side(session, place, job_id) for place, job_id in _placed(job_ids)], max_points
    )


def _placed(refs: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"/query/{name}", ref) for name, ref in zip("abcde", refs, strict=False)]


def _compared(session: Session, sides: list[_Side], max_points: int) -> Comparison:
    evaluations = [side.evaluation for side in sides]
    return Comparison(
        items=[side.item for side in sides],
        warnings=_warnings(sides),
        parameters=different_parameters([side.parameters for side in sides]),
        metrics=compared_metrics(evaluations),
        slices=compared_slices(evaluations),
        curves=[_curve(session, side.item.job_id, max_points) for side in sides],
    )


def _warnings(sides: list[_Side]) -> list[str]:
    warnings = []
    if len({side.item.task for side in sides}) > 1:
        warnings.append("the tasks differ: few figures mean the same")
    if any(side.rows != sides[0].rows for side in sides):
        warnings.append("the reports are of different rows: evaluate the models on one data set")
    return warnings


def _curve(session: Session, job_id: str | None, max_points: int) -> Curve:
    try:
        points = [] if job_id is None else jobs.history(session, job_id, max_points).points
    except NotFound:  # the job was deleted
        points = []
    return Curve(job_id=job_id, points=points)


def _model_side(session: Session, place: str, ref: str) -> _Side:
    try:
        model = models.get(session, ref)
    except NotFound as problem:
        raise Invalid.at(place, problem.detail) from None
    parameters = {
        "task": model.task,
        "features": [feature.name for feature in model.features],
        "target": model.target,
        **model.lineage.model_dump(mode="json", exclude={"weights_sha256", "changes"}),
    }
    item = Compared(
        ref=ref,
        job_id=model.job_id,
        model_id=model.id,
        name=model.name,
        version=model.version,
        task=model.task,
        created_at=model.created_at,
    )
    return _Side(item, parameters, _report(model), _rows(model))


def _report(model: Model | None) -> dict[str, Any] | None:
    if model is None or model.evaluation is None:
        return None
    return model.evaluation.model_dump(mode="json")


def _rows(model: Model) -> object:
    training = model.lineage.training
    data = model.lineage.dataset and model.lineage.dataset.sha256
    report = model.evaluation and (model.evaluation.of, model.evaluation.rows)
    return data, training.get("validation"), model.lineage.seed, report


def _job_side(session: Session, place: str, job_id: str) -> _Side:
    try:
        job = jobs.get(session, job_id)
    except NotFound as problem:
        raise Invalid.at(place, problem.detail) from None
    model = _model_of(session, job)
    parameters = {
        "dataset": job.dataset,
        **job.request,
        "network": job.network.model_dump(mode="json"),
    }
    item = Compared(
        ref=job_id,
        job_id=job.id,
        model_id=model and model.id,
        name=job.model_name,
        version=model and model.version,
        task=job.task,
        created_at=job.created_at,
    )
    validation = job.request["training"].get("validation")
    rows = (
        _rows(model)
        if model
        else (job.dataset["sha256"], validation, job.request["training"].get("seed"), None)
    )
    return _Side(item, parameters, _report(model), rows)


def _model_of(session: Session, job: Job) -> Model | None:
    try:
        return None if job.model_id is None else models.get(session, job.model_id)
    except NotFound:  # it was deleted
        return None
