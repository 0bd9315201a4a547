"""Changing a job that has not ended: what may be changed, and when."""

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.database import now
from app.jobs.schemas import Job, JobChanges
from app.jobs.service import detail, existing
from app.jobs.states import FINISHED
from app.jobs.store import JobRow
from app.problems import Conflict, Invalid
from engine.spec import InvalidSpec
from engine.training import Changes, TrainingSpec

MOST = 1000  # changes of one job


def change(session: Session, job_id: str, wanted: JobChanges) -> Job:
    """Ask for a change, which takes effect before the job's next step.

    Raises `NotFound`, `Conflict` where the job has ended, and `Invalid` with a pointer to what makes no sense.
    """
    row = existing(session, job_id)
    if row.status in FINISHED:
        raise Conflict(f"the job is {row.status}; only one that is queued, running or paused can be changed")
    if len(row.changes) >= MOST:
        raise Conflict(f"the job is {row.status} and was changed {MOST} times; that is the most")
    recipe = TrainingSpec.model_validate(row.request["training"])
    if recipe.members > 1:
        raise Conflict(
            f"the job is {row.status} and trains {recipe.members} networks, which are to train alike: it cannot be "
            "changed any more; cancel it and launch another"
        )
    check(recipe, wanted)
    done = 0 if row.progress is None else row.progress["epoch"]
    if wanted.epochs is not None and wanted.epochs < done:
        raise Invalid.at("/epochs", f"{done} epochs are done already: ask for at least as many")
    add(row, wanted)
    return detail(row)


def check(recipe: TrainingSpec, wanted: Changes) -> None:
    """Raise `Invalid` at what makes no sense under a recipe."""
    try:
        wanted.check(recipe)
    except InvalidSpec as error:
        raise Invalid.spec(error) from None
    if wanted.learning_rate is None:
        return
    optimizer = recipe.optimizer
    try:
        type(optimizer).model_validate(optimizer.model_dump() | {"learning_rate": wanted.learning_rate})
    except ValidationError as error:
        message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise Invalid.at("/learning_rate", f"{message}, for the optimizer {optimizer.kind}") from None


def add(row: JobRow, wanted: Changes) -> None:
    """Append a change that has not taken effect yet to a job's list."""
    values = {name: getattr(wanted, name) for name in Changes.model_fields}
    row.changes = [*row.changes, {**values, "step": None, "requested_at": now().isoformat()}]
