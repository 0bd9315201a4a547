"""The worker's side of the jobs' table: claim, keep, record, give back, end.

A worker holds a job by a lease that it renews; the attempt's number is a fence before every change, so
that a worker that was stopped past its lease and wakes up can write nothing. Every function here runs inside a
writer's transaction, so what it has read stays true until it commits.
"""

import logging
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.database import now
from app.events import store as events
from app.jobs import store
from app.jobs.states import MAX_CRASHES, Kind, Status
from app.jobs.store import JobRow, WorkerRow
from app.webhooks.outbox import emit
from app.webhooks.schemas import Event

LEASE = timedelta(seconds=30)

_ENDS: dict[tuple[Kind, Status], Event] = {
    ("training", "succeeded"): "job.succeeded",
    ("training", "failed"): "job.failed",
    ("training", "cancelled"): "job.cancelled",
    ("batch_prediction", "succeeded"): "batch_prediction.succeeded",
    ("batch_prediction", "failed"): "batch_prediction.failed",
    ("batch_prediction", "cancelled"): "batch_prediction.cancelled",
}
"""What webhooks are told of."""

logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The job is somebody else's by now, or nobody's."""


@dataclass(frozen=True)
class Held:
    """A job that a worker holds, as it was when it was claimed."""

    id: str
    kind: Kind
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
    changes: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    spent_seconds: float
    continues: str | None
    start_model_id: str | None


@dataclass(frozen=True)
class Asked:
    """What people want of a running job."""

    cancel: bool
    pause: bool
    changes: list[dict[str, Any]]


def beat(session: Session, worker: WorkerRow) -> None:
    """Give a sign of life."""
    session.merge(worker).seen_at = now()
    store.forget_workers(session, now() - timedelta(days=1))


def live_workers(session: Session, host: str | None = None, lease: timedelta = LEASE) -> int:
    """How many workers, of all hosts or of one, gave a sign of life lately."""
    return store.workers_seen_since(session, now() - lease, host)


def leave(session: Session, worker_id: str) -> None:
    """Say that the worker ends."""
    row = session.get(WorkerRow, worker_id)
    if row is not None:
        session.delete(row)


def waiting(session: Session) -> bool:
    """Whether there is anything to claim."""
    return store.any_queued(session)


def claim(
    session: Session, worker_id: str, lease: timedelta = LEASE, total_memory: int | None = None
) -> Held | None:
    """Take the next job, if there is one and it fits into memory beside those that run on this host.

    The next one waits for its room, and those behind it wait too: else small jobs would keep a large one
    waiting for ever. A job alone always fits.
    """
    in_use = 0 if total_memory is None else store.memory_in_use(session, worker_id)
    row = store.next_queued(session)
    if row is None or (in_use and total_memory is not None and in_use + row.memory_bytes > total_memory):
        return None
    at = now()
    row.status, row.worker_id, row.lease_expires_at, row.claimed_at = "running", worker_id, at + lease, at
    row.started_at = row.started_at or at
    events.append(session, row.id, "status", {"status": "running", "attempt": row.attempt})
    session.flush()
    return Held(**{field.name: getattr(row, field.name) for field in fields(Held)})


def renew(session: Session, job: Held, lease: timedelta = LEASE) -> None:
    """Keep the job for another while; also past the lease's end, as long as nobody else has taken it."""
    held(session, job).lease_expires_at = now() + lease


def asked(session: Session, job: Held) -> Asked:
    """What people want of the job; raises `LeaseLost`."""
    row = held(session, job)
    return Asked(row.cancel_requested_at is not None, row.pause_requested_at is not None, row.changes)


def owner(session: Session, job: Held) -> str:
    """Whose the job is by now, and so its model; raises `LeaseLost`."""
    return held(session, job).owner


def record(session: Session, job: Held, points: list[dict[str, Any]]) -> None:
    """Write epochs and the event that tells of them, in one transaction.

    Those that an earlier attempt has told are left out: a run from a checkpoint gives them again.
    """
    row = held(session, job)
    told = store.last_epoch(session, job.id)
    points = [point for point in points if point["epoch"] > told]
    if not points:
        return
    first, last = points[0], points[-1]
    row.progress = _progress(row, store.first_epoch(session, job.id) if told else first["epoch"], last)
    row.latest = {name: last[name] for name in ("train_loss", "validation_loss", "learning_rate", "metrics")}
    store.add_points(session, [{"job_id": job.id, **point} for point in points])
    events.append(session, job.id, "epoch", {"first": first["epoch"], "last": last["epoch"]})


def report(session: Session, job: Held, progress: dict[str, Any]) -> None:
    """Write how far work is that has no epochs."""
    held(session, job).progress = progress


def _progress(row: JobRow, first_epoch: int, point: dict[str, Any]) -> dict[str, Any]:
    """`first_epoch`: not 1 where the job continues another, whose seconds it goes on counting."""
    epochs, epoch, seconds = _all_epochs(row, point), point["epoch"], point["seconds"]
    return {
        "epoch": epoch,
        "epochs": epochs,
        "fraction": min((epoch - first_epoch + 1) / max(epochs - first_epoch + 1, 1), 1.0),
        "seconds": seconds,
        "eta_seconds": seconds / epoch * max(epochs - epoch, 0),
        "samples_per_second": epoch * row.plan["rows"]["training"] / seconds if seconds > 0 else None,
    }


def _all_epochs(row: JobRow, point: dict[str, Any]) -> int:
    """Of all networks of the job: those that are done, and as many as were asked for of the others."""
    epochs = wanted_epochs(row)
    if point.get("fold") is None:
        return epochs
    before = point["epoch"] - point["fold_epoch"]
    return int(before + epochs * (row.request["training"]["members"] - point["fold"] + 1))


def wanted_epochs(row: JobRow) -> int:
    """The epochs that the job was asked for, by its newest change that says so."""
    return _changed(row, "epochs", row.request["training"]["epochs"])


def wanted_patience(row: JobRow) -> int:
    """The same of a job with early stopping and its patience."""
    return _changed(row, "patience", row.request["training"]["early_stopping"]["patience"])


def _changed(row: JobRow, name: str, asked_first: int) -> int:
    changed = [change[name] for change in row.changes if change[name] is not None]
    return int(changed[-1] if changed else asked_first)


def find(session: Session, job: Held, findings: list[dict[str, Any]]) -> None:
    """Write what the training doctor has found, each with its event."""
    row = held(session, job)
    row.findings = [*row.findings, *findings]
    for finding in findings:
        events.append(session, job.id, "finding", finding)


def log(session: Session, job: Held, message: str) -> None:
    """Write a sentence into the job's log."""
    held(session, job)
    events.append(session, job.id, "log", {"message": message})


def resumed(session: Session, job: Held, epoch: int, step: int, *, environment_changed: bool) -> None:
    """Write that the job goes on from a checkpoint, and whether it was written elsewhere: never silently."""
    message = f"going on from the checkpoint after epoch {epoch}, step {step}"
    if environment_changed:
        held(session, job).environment_changed = True
        message += (
            "; it was written in another environment (versions, processor, kernels, threads): bits may differ"
        )
    log(session, job, message)


def took_effect(session: Session, job: Held, first: int, steps: list[int]) -> None:
    """Write at which steps changes took effect, from the one at `first` in the job's list on."""
    row = held(session, job)
    changes = [dict(change) for change in row.changes]
    for change, step in zip(changes[first:], steps, strict=False):
        change["step"] = step
        wanted = ", ".join(
            f"{name} {change[name]:g}"
            for name in ("learning_rate", "patience", "epochs")
            if change[name] is not None
        )
        events.append(session, job.id, "log", {"message": f"changed after step {step}: {wanted}"})
    row.changes = changes


def finish(session: Session, job: Held) -> None:
    """End a job whose outcome is in the same transaction."""
    row = held(session, job)
    if row.progress is not None:
        row.progress = row.progress | {"fraction": 1.0, "eta_seconds": 0.0}
    end(session, row, "succeeded")


def succeed(session: Session, job: Held, model_id: str, weights_sha256: str | None = None) -> None:
    """End a job whose model is in the same transaction; a replay is compared with what it replays."""
    row = held(session, job)
    row.model_id, row.weights_sha256 = model_id, weights_sha256
    if row.replay is not None:
        equal = weights_sha256 is not None and row.replay["weights_sha256"] == weights_sha256
        row.replay = row.replay | {"equal": equal}
    finish(session, job)


def fail(session: Session, job: Held, code: str, detail: str) -> None:
    """End a job that cannot go on."""
    row = held(session, job)
    row.error = {"code": code, "detail": detail}
    end(session, row, "failed")


def cancel(session: Session, job: Held) -> None:
    """End a job that was asked to end."""
    end(session, held(session, job), "cancelled")


def end(session: Session, row: JobRow, status: Status) -> None:
    """Write the end of a job: its status, its events, and that it needs its data sets no more."""
    _count_seconds(row, now())
    row.status, row.finished_at, row.worker_id, row.lease_expires_at = status, now(), None, None
    row.pause_requested_at = row.start_model_id = None
    store.release_inputs(session, row.id)
    told: dict[str, Any] = {"status": status, "model_id": row.model_id, "error": row.error}
    told = {name: value for name, value in told.items() if value is not None}
    events.append(session, row.id, "status", told)
    events.append(session, row.id, "done", told)
    if (event := _ENDS.get((row.kind, status))) is not None:
        emit(session, row.owner, event, {"id": row.id, "model_name": row.model_name, **told})


def give_back(session: Session, job: Held) -> None:
    """Let go of a job whose process has ended because it was asked to, or whose worker is about to end."""
    _let_go(session, held(session, job), now())


def crash(session: Session, job: Held, code: str, detail: str) -> None:
    """Write that the job's process died: the job is tried again, unless that has happened too often."""
    _crashed(session, held(session, job), code, detail, now())


def rescue(session: Session, lease: timedelta = LEASE) -> None:
    """Put the jobs of workers that died back into the queue."""
    for row in store.expired(session, now()):
        assert row.lease_expires_at is not None, "that it is over is why the row is here"
        logger.warning("the job's worker is lost", extra={"job_id": row.id, "attempt": row.attempt})
        detail = "its worker died, or gave no sign of life for longer than its lease"
        _crashed(session, row, "worker_lost", detail, row.lease_expires_at - lease)


def held(session: Session, job: Held) -> JobRow:
    """The row of a job that is still held; raises `LeaseLost` otherwise."""
    row = store.get(session, job.id)
    if row is None or (row.status, row.worker_id, row.attempt) != ("running", job.worker_id, job.attempt):
        raise LeaseLost(job.id)
    return row


def _crashed(session: Session, row: JobRow, code: str, detail: str, at: datetime) -> None:
    """Count a crash; `at`: when the job was last seen running."""
    row.crashes += 1
    if row.crashes < MAX_CRASHES or row.cancel_requested_at is not None:
        events.append(session, row.id, "log", {"message": f"attempt {row.attempt} ended: {detail}"})
        _let_go(session, row, at)
        return
    detail = f"it crashed {row.crashes} times and is not tried again; the last time: {detail}"
    row.error = {"code": code, "detail": detail}
    end(session, row, "failed")


def _let_go(session: Session, row: JobRow, at: datetime) -> None:
    """To where people want the job to be: at its end, paused, or back in the queue as a new attempt."""
    if row.cancel_requested_at is not None:
        end(session, row, "cancelled")
        return
    _count_seconds(row, at)
    row.status = "queued" if row.pause_requested_at is None else "paused"
    row.attempt += 1  # whoever had the job before is fenced off
    row.worker_id = row.lease_expires_at = row.pause_requested_at = None
    events.append(session, row.id, "status", {"status": row.status, "attempt": row.attempt})


def _count_seconds(row: JobRow, at: datetime) -> None:
    """Add an attempt's time, up to `at`, to the job's: a time limit is over all attempts."""
    if row.claimed_at is not None:
        row.spent_seconds += max((at - row.claimed_at).total_seconds(), 0.0)
        row.claimed_at = None
