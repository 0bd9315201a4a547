"""Jobs that are made from a finished one: its replay, and its continuation."""

from typing import Any

from sqlalchemy.orm import Session

from app.database import now
from app.ids import new_id
from app.jobs import changes, checkpoints, queue
from app.jobs.checkpoints import START
from app.jobs.schemas import Continuation, Job
from app.jobs.service import detail, enqueue, existing
from app.jobs.store import CheckpointRow, JobRow
from app.names import MAX_MODEL_NAME
from app.problems import Conflict, Invalid
from app.storage import Storage
from engine.training import Changes, TrainingSpec

MOST_EPOCHS = 1_000_000


def replay(session: Session, storage: Storage, job_id: str) -> Job:
    """Train a succeeded job again, changes and all; the new job says whether its weights are the same.

    Raises `NotFound`, and `Conflict` where the job has not succeeded or what it needs is gone.
    """
    row = existing(session, job_id)
    if row.status != "succeeded" or row.weights_sha256 is None:
        raise Conflict(
            f"the job is {row.status}; only one that succeeded, and kept its hash, can be replayed"
        )
    new = _again(row)
    new.model_name = f"{row.model_name[: MAX_MODEL_NAME - len('-replay')]}-replay"
    new.replay = {"of": row.id, "weights_sha256": row.weights_sha256, "equal": None}
    _enqueue_from(session, storage, new, _start_of(session, row))
    return detail(new)


def carry_on(session: Session, storage: Storage, job_id: str, wanted: Continuation) -> Job:
    """Train a succeeded job for more epochs, as a new job that starts from its last state.

    Raises `NotFound`, `Invalid`, and `Conflict` where the job has not succeeded or what it needs is gone.
    """
    row = existing(session, job_id)
    if row.status != "succeeded":
        raise Conflict(
            f"the job is {row.status}; only one that succeeded can be continued (resume a paused one, retry a failed "
            "or cancelled one)"
        )
    if (networks := row.request["training"].get("members", 1)) > 1:
        raise Conflict(
            f"the job has trained {networks} networks, of which each has its end; it cannot be continued"
        )
    state = checkpoints.last_state(session, row.id)
    if state is None or state.attempt == START:
        raise Conflict("the job is succeeded, but its last state is not kept any more")
    new = _again(row)
    new.continues = row.id
    changes.add(new, _more(row, state.epoch, wanted))
    _enqueue_from(session, storage, new, state)
    return detail(new)


def _more(row: JobRow, done: int, wanted: Continuation) -> Changes:
    """What a job with `done` epochs has to change to go on."""
    epochs = done + wanted.epochs
    if epochs > MOST_EPOCHS:
        raise Invalid.at(
            "/epochs", f"{done} epochs are done; with more than {MOST_EPOCHS - done} it were too many"
        )
    recipe = TrainingSpec.model_validate(row.request["training"])
    patience = wanted.patience
    if patience is None and recipe.early_stopping is not None:
        # It may have ended because its patience had; that counts on where it is continued.
        patience = min(queue.wanted_patience(row) + wanted.epochs, MOST_EPOCHS)
    more = Changes(epochs=epochs, learning_rate=wanted.learning_rate, patience=patience)
    changes.check(recipe, more)
    return more


def _again(row: JobRow) -> JobRow:
    """A job with the same request, plan and changes."""
    same: dict[str, Any] = {
        name: getattr(row, name)
        for name in (
            "request",
            "network",
            "plan",
            "model_name",
            "task",
            "dataset_id",
            "dataset",
            "inputs",
            "network_id",
            "tags",
            "priority",
            "memory_bytes",
            "continues",
        )
    }
    return JobRow(
        id=new_id("job"),
        status="queued",
        attempt=1,
        crashes=0,
        spent_seconds=0.0,
        findings=[],
        environment_changed=False,
        changes=[change for change in row.changes if change["step"] is not None],
        start_model_id=row.request.get("start_from"),
        created_at=now(),
        **same,
    )


def _start_of(session: Session, row: JobRow) -> CheckpointRow | None:
    """The state that a job started from, if it did not start from the beginning."""
    return next((state for state in checkpoints.states(session, row.id) if state.attempt == START), None)


def _enqueue_from(session: Session, storage: Storage, new: JobRow, state: CheckpointRow | None) -> None:
    """Put a job into the queue, with the state that it starts from."""
    if new.dataset_id is None:
        raise Conflict("the data set of this job was deleted: it cannot be trained on again")
    enqueue(session, new)
    if state is not None:
        try:
            checkpoints.hand_on(session, storage, state, new)
        except FileNotFoundError:
            raise Conflict("the file of the state that it starts from is gone") from None
