"""What people may do with a job's life: cancel, pause, resume, retry.

Each changes nothing where it is in effect already, and raises `Conflict`, naming the status, where it cannot be.
"""

from sqlalchemy.orm import Session

from app.database import now
from app.events import store as events
from app.jobs import checkpoints, queue, store
from app.jobs.schemas import Job
from app.jobs.service import check_room, detail, enqueue, existing
from app.jobs.store import JobRow
from app.problems import Conflict

BEGIN_AGAIN = frozenset({"diverged", "checkpoint_mismatch"})
"""Failures after which going on from a checkpoint would come to the same end."""


def cancel(session: Session, job_id: str) -> Job:
    """Ask for a job to end: at once where it does not run, within a batch where it does."""
    row = existing(session, job_id)
    cancel_row(session, row)
    return detail(row)


def cancel_row(session: Session, row: JobRow) -> None:
    """The same for a job of any kind."""
    match row.status:
        case "queued" | "paused":
            row.cancel_requested_at = now()
            queue.end(session, row, "cancelled")
        case "running":
            row.cancel_requested_at = row.cancel_requested_at or now()
        case "cancelled":
            pass
        case status:
            raise Conflict(
                f"the job is {status}; only one that is queued, running or paused can be cancelled"
            )


def pause(session: Session, job_id: str) -> Job:
    """Ask for a job to pause: at once where it is queued, with a checkpoint after its batch where it runs."""
    row = existing(session, job_id)
    match row.status:
        case "queued":
            row.status = "paused"
            events.append(session, row.id, "status", {"status": "paused", "attempt": row.attempt})
        case "running" if row.cancel_requested_at is None:
            row.pause_requested_at = row.pause_requested_at or now()
        case "running":
            raise Conflict("the job is running and about to be cancelled; it cannot be paused any more")
        case "paused":
            pass
        case status:
            raise Conflict(f"the job is {status}; only one that is queued or running can be paused")
    return detail(row)


def resume(session: Session, job_id: str) -> Job:
    """Have a paused job go on from its checkpoint; a pause that was asked for only is taken back."""
    row = existing(session, job_id)
    match row.status:
        case "paused":
            _queue(session, row)
        case "queued":
            pass
        case "running":
            row.pause_requested_at = None
        case status:
            raise Conflict(f"the job is {status}; only a paused one can be resumed")
    return detail(row)


def retry(session: Session, job_id: str) -> Job:
    """Try a failed or cancelled job again, from its last checkpoint or else from the beginning.

    After divergence from the beginning, and without the changes that were made on the way.
    """
    row = existing(session, job_id)
    match row.status:
        case "failed" | "cancelled":
            _try_again(session, row)
        case "queued" | "running":
            pass
        case status:
            raise Conflict(f"the job is {status}; only one that failed or was cancelled can be retried")
    return detail(row)


def _try_again(session: Session, row: JobRow) -> None:
    if row.dataset_id is None:
        raise Conflict(f"the job is {row.status}, and its data set was deleted: it cannot be trained again")
    events.append(session, row.id, "log", {"message": "tried again"})
    events.drop_done(session, row.id)
    code = "" if row.error is None else row.error["code"]
    if code in BEGIN_AGAIN or checkpoints.last_state(session, row.id) is None:
        _begin_again(session, row)
    if code == "diverged" and row.changes:
        row.changes = []
        events.append(session, row.id, "log", {"message": "the changes made before are dropped"})
    row.attempt += 1
    row.crashes, row.spent_seconds = 0, 0.0
    row.error = row.finished_at = row.cancel_requested_at = None
    row.start_model_id = row.request.get("start_from")
    row.status = "queued"
    enqueue(session, row)


def _begin_again(session: Session, row: JobRow) -> None:
    """Forget all that was reached."""
    checkpoints.forget(session, row.id)
    store.drop_points(session, row.id)
    events.drop_epochs(session, row.id)
    row.progress = row.latest = row.started_at = None
    row.findings, row.environment_changed = [], False
    events.append(session, row.id, "log", {"message": "starting again from the beginning"})


def _queue(session: Session, row: JobRow) -> None:
    row.status = "queued"
    check_room(session)
    events.append(session, row.id, "status", {"status": "queued", "attempt": row.attempt})
