"""The rules of explanations: what a question needs, and the child that answers it."""

from typing import Any

from sqlalchemy.orm import Session

from app.children import ChildFailed, call
from app.datasets import service as datasets
from app.dependencies import Context
from app.jobs import service as jobs
from app.models import service as models
from app.models.schemas import ModelItem
from app.problems import Invalid, NotFound


def explain(context: Context, ref: str, question: dict[str, Any]) -> str:
    """The answer to a question as JSON text.

    Raises `NotFound`, `Invalid` where it does not suit the model or takes too long, and `Conflict` where it needs rows
    of a data set that was deleted.
    """
    storage, asked = context.storage, question.get("dataset_id")
    with context.database.read() as session:  # ended before the work: an open one would hold up writers
        found = models.resolve(session, ref)
        dataset_id = found.dataset_id if asked is None else _existing(session, asked)
        assignment = None
        if dataset_id is not None and dataset_id == found.dataset_id and found.job_id is not None:
            assignment = jobs.assignment_of(session, storage, found.job_id)
    return _call(
        context,
        "app.explanations.explaining:explain",
        storage.model(found.id),
        None if dataset_id is None else storage.dataset(dataset_id),
        None if assignment is None else assignment.model_dump_json(),
        _asked(found) | {"question": question},
    )


def layers(context: Context, ref: str, member: int) -> str:
    """The layers of a network of a model with their weights, `answers.Layers` as JSON text.

    Raises `NotFound`, and `Invalid` where the model has fewer networks.
    """
    with context.database.read() as session:
        found = models.resolve(session, ref)
    asked = _asked(found) | {"member": member}
    return _call(context, "app.explanations.explaining:layers", context.storage.model(found.id), asked)


def _asked(found: ModelItem) -> dict[str, Any]:
    return {"about": {"model_id": found.id, "version": found.version}, "sha256": found.sha256}


def _existing(session: Session, dataset_id: str) -> str:
    try:
        return datasets.get(session, dataset_id).id
    except NotFound as problem:
        raise Invalid.at("/dataset_id", problem.detail) from None


def _call(context: Context, function: str, *args: object) -> str:
    settings = context.settings
    try:
        answer = call(function, *args, seconds=settings.explain_seconds, memory=settings.memory_budget)
    except ChildFailed as error:
        raise Invalid.at("/method", f"the explanation could not be made: {error}") from None
    return str(answer["json"])
