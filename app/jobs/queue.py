"""The worker's side of the jobs' table: claim, keep, record, give back, end.

A worker holds a job by a lease that it renews; the attempt's number is a fence before every change, so
that a worker that was stopped past its lease and wakes up can write nothing. Every function here runs inside a
writer's transaction, so what it has read stays true until it commits.
"""

import logging
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.database import now
from app.events import store as events
from app.jobs import store
from app.jobs.states import Status
from app.jobs.store import JobRow, WorkerRow

LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 10.0
MAX_ATTEMPTS = 2  # a job whose worker was lost starts again once

logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The job is somebody else's by now, or nobody's."""


@dataclass(frozen=True)
class Held:
    """A job that a worker holds, as it was when it was claimed."""

    id: str
    worker_id: str
    attempt: int
    request: dict[str, Any]
    network: dict[str, Any]
    plan: dict[str, Any]
    model_name: str
    dataset_id: str | None
    dataset: dict[str, Any]
    inputs: dict[str, Any]
    tags: list[str]


def beat(session: Session, worker: WorkerRow) -> None:
    """Give a sign of life."""
    session.merge(worker).seen_at = now()
    store.forget_workers(session, now() - timedelta(days=1))


def live_workers(session: Session, host: str | None = None) -> int:
    """How many workers, of all hosts or of one, gave a sign of life lately."""
    return store.workers_seen_since(session, now() - LEASE, host)


def leave(session: Session, worker_id: str) -> None:
    """Say that the worker ends."""
    row = session.get(WorkerRow, worker_id)
    if row is not None:
        session.delete(row)


def waiting(session: Session) -> bool:
    """Whether there is anything to claim."""
    return store.any_queued(session)


def claim(session: Session, worker_id: str) -> Held | None:
    """Take the next job, if there is one."""
    row = store.next_queued(session)
    if row is None:
        return None
    at = now()
    row.status, row.worker_id, row.lease_expires_at, row.started_at = "running", worker_id, at + LEASE, at
    events.append(session, row.id, "status", {"status": "running", "attempt": row.attempt})
    session.flush()
    return Held(**{field.name: getattr(row, field.name) for field in fields(Held)})


def renew(session: Session, job: Held) -> None:
    """Keep the job for another while."""
    _held(session, job).lease_expires_at = now() + LEASE


def cancel_requested(session: Session, job: Held) -> bool:
    """Whether somebody asked for the job to end; raises `LeaseLost`."""
    return _held(session, job).cancel_requested_at is not None


def record(session: Session, job: Held, points: list[dict[str, Any]]) -> None:
    """Write epochs and the event that tells of them, in one transaction."""
    last = points[-1]
    row = _held(session, job)
    row.lease_expires_at, row.progress, row.latest = now() + LEASE, _progress(job, last), _latest(last)
    store.add_points(session, [{"job_id": job.id, **point} for point in points])
    events.append(session, job.id, "epoch", {"first": points[0]["epoch"], "last": last["epoch"]})


def _progress(job: Held, point: dict[str, Any]) -> dict[str, Any]:
    epochs, epoch, seconds = job.request["training"]["epochs"], point["epoch"], point["seconds"]
    return {
        "epoch": epoch,
        "epochs": epochs,
        "fraction": epoch / epochs,
        "seconds": seconds,
        "eta_seconds": seconds / epoch * (epochs - epoch),
        "samples_per_second": epoch * job.plan["rows"]["training"] / seconds if seconds > 0 else None,
    }


def _latest(point: dict[str, Any]) -> dict[str, Any]:
    return {name: point[name] for name in ("train_loss", "validation_loss", "learning_rate", "metrics")}


def succeed(session: Session, job: Held, model_id: str) -> None:
    """End a job whose model is in the same transaction."""
    row = _held(session, job)
    row.model_id = model_id
    if row.progress is not None:
        row.progress = row.progress | {"fraction": 1.0, "eta_seconds": 0.0}
    end(session, row, "succeeded")


def fail(session: Session, job: Held, code: str, detail: str) -> None:
    """End a job that cannot go on."""
    row = _held(session, job)
    row.error = {"code": code, "detail": detail}
    end(session, row, "failed")


def cancel(session: Session, job: Held) -> None:
    """End a job that was asked to end."""
    end(session, _held(session, job), "cancelled")


def end(session: Session, row: JobRow, status: Status) -> None:
    """Write the end of a job: its status, its events, and that it needs its data sets no more."""
    row.status, row.finished_at, row.worker_id, row.lease_expires_at = status, now(), None, None
    store.release_inputs(session, row.id)
    told: dict[str, Any] = {"status": status, "model_id": row.model_id, "error": row.error}
    told = {name: value for name, value in told.items() if value is not None}
    events.append(session, row.id, "status", told)
    events.append(session, row.id, "done", told)


def give_back(session: Session, job: Held) -> None:
    """Let go of a job whose worker is about to end."""
    _start_again(session, _held(session, job))


def rescue(session: Session) -> None:
    """Put the jobs of workers that died back into the queue."""
    for row in store.expired(session, now()):
        logger.warning("the job's worker is lost", extra={"job_id": row.id, "attempt": row.attempt})
        _start_again(session, row)


def _held(session: Session, job: Held) -> JobRow:
    """The row of a job that is still held; raises `LeaseLost` otherwise."""
    row = store.get(session, job.id)
    if row is None or (row.status, row.worker_id, row.attempt) != ("running", job.worker_id, job.attempt):
        raise LeaseLost(job.id)
    return row


def _start_again(session: Session, row: JobRow) -> None:
    """Back to the queue from epoch 0; to its end if it was asked to end or its worker was lost too often."""
    if row.cancel_requested_at is not None:
        end(session, row, "cancelled")
    elif row.attempt >= MAX_ATTEMPTS:
        detail = f"the worker was lost or stopped {row.attempt} times while it ran this job"
        row.error = {"code": "worker_lost", "detail": detail}
        end(session, row, "failed")
    else:
        row.status, row.attempt = "queued", row.attempt + 1
        row.worker_id = row.lease_expires_at = row.started_at = row.progress = row.latest = None
        store.drop_points(session, row.id)
        events.drop_epochs(session, row.id)
        events.append(session, row.id, "log", {"message": "the worker ended: starting again from epoch 0"})
        events.append(session, row.id, "status", {"status": "queued", "attempt": row.attempt})
