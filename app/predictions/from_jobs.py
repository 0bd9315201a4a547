"""Asking a training that is not over: the model that its newest checkpoint makes.

Imports polars; job_routes.py imports this module when the first question comes.
"""

from dataclasses import dataclass
from typing import NamedTuple

from app.children import ChildFailed, call
from app.dependencies import Context
from app.ids import new_id
from app.jobs import checkpoints
from app.jobs import service as jobs
from app.predictions import service
from app.predictions.reading import Inputs, Records
from app.predictions.shaping import warned
from app.problems import Conflict
from engine.ensemble import AnyModel, load_model
from engine.trust.assurance import DEFAULT_COVERAGE

TRIES = 3  # a checkpoint may go while it is read, since a newer one is there


@dataclass(frozen=True)
class JobAnswers:
    """Answers to rows: `schemas.JobPredictions` before it is JSON."""

    job_id: str
    epoch: int
    step: int
    predictions: list[dict[str, object]]


class _Saved(NamedTuple):
    """A checkpoint that has a model in it."""

    file: str
    epoch: int
    step: int


def predict(context: Context, job_id: str, rows: Records | Inputs) -> JobAnswers:
    """Answer raw rows with the weights that the job's newest checkpoint has.

    Raises `NotFound`, `Conflict` where the job has no checkpoint or a model already, and `Invalid` as predictions do.
    """
    saved, model = _newest(context, job_id)
    answers = warned(*service.answered(model, rows, DEFAULT_COVERAGE))
    return JobAnswers(job_id, saved.epoch, saved.step, answers)


def _newest(context: Context, job_id: str) -> tuple[_Saved, AnyModel]:
    for _ in range(TRIES):
        saved, assignment = _described(context, job_id)

        def load(saved: _Saved = saved, assignment: str = assignment) -> tuple[AnyModel, int]:
            model = _made(context, saved, assignment)
            return model, model.memory_bytes

        try:
            return saved, context.loaded.get(saved.file, load)
        except FileNotFoundError:
            continue
    raise Conflict("the job's checkpoints come and go faster than they are read; ask again")


def _described(context: Context, job_id: str) -> tuple[_Saved, str]:
    """The job's newest checkpoint, and its training as JSON."""
    with context.database.read() as session:
        job = jobs.existing(session, job_id)
        if job.model_id is not None:
            raise Conflict(f"the job has ended: ask its model {job.model_id}")
        if job.dataset_id is None:
            raise Conflict("the job's data set was deleted, so that nothing tells how its weights read rows")
        state = checkpoints.last_state(session, job_id)
        if state is None:
            raise Conflict("the job has no checkpoint yet")
        saved = _Saved(state.file, state.epoch, state.step)
        assignment = jobs.assignment_of(session, context.storage, job_id)
    assert assignment is not None  # it was there, in this session
    return saved, assignment.model_copy(update={"memory": context.settings.memory_budget}).model_dump_json()


def _made(context: Context, saved: _Saved, assignment: str) -> AnyModel:
    """The model of a checkpoint, which a child makes; raises `FileNotFoundError` where that is gone."""
    settings, storage = context.settings, context.storage
    path = storage.root / saved.file
    with storage.scratch(new_id("req")) as folder:
        try:
            call(
                "app.jobs.snapshots:snapshot",
                assignment,
                path,
                folder / "model",
                seconds=settings.evaluate_seconds,
                memory=settings.memory_budget,
            )
        except ChildFailed as error:
            if not path.exists():
                raise FileNotFoundError(path) from None
            raise Conflict(f"the checkpoint cannot be asked: {error}") from None
        return load_model((folder / "model").read_bytes())
