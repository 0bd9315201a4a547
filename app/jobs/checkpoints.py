"""A job's checkpoints: which are registered, which are kept, and which a run may go on from.

The file is durable before its row is written, and its row is gone before the file goes. A row is written after
the points of all epochs before it, so that a checkpoint is never ahead of the history.
"""

import os
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.database import now
from app.jobs import queue, store
from app.jobs.assignment import SavedState
from app.jobs.queue import Held
from app.jobs.store import CheckpointRow, JobRow
from app.storage import Storage, remove, sync

KEPT = 2  # the newest ones: where the last is torn, the one before serves
START = 0  # the attempt of what the job starts from, which is kept as long as the job


def register(session: Session, storage: Storage, job: Held, written: dict[str, Any]) -> None:
    """Write the row of a checkpoint that the job's process has written; of those before, one is kept.

    `written`: file, epoch, step, sha256, environment. Raises `LeaseLost`.
    """
    queue.held(session, job)
    session.merge(
        CheckpointRow(
            job_id=job.id,
            attempt=job.attempt,
            bytes=(storage.root / written["file"]).stat().st_size,
            created_at=now(),
            **written,
        )
    )
    session.flush()
    keep(session, job.id, KEPT)


def keep(session: Session, job_id: str, newest: int) -> None:
    """Forget a job's checkpoints but the newest ones and what it starts from; their files go with `tidy`."""
    rows = [row for row in store.checkpoints(session, job_id) if row.attempt != START]
    for row in rows[newest:]:
        session.delete(row)
    session.flush()


def forget(session: Session, job_id: str) -> None:
    """Forget all checkpoints but what the job starts from: it is to begin anew."""
    keep(session, job_id, 0)


def tidy(session: Session, storage: Storage, job: Held) -> None:
    """Remove the files that no row names, of earlier attempts and from before the newest checkpoint.

    A later one may be about to get its row.
    """
    rows = store.checkpoints(session, job.id)
    named = {Path(row.file).name for row in rows}
    reached = max([(row.attempt, row.step) for row in rows], default=(0, 0))
    for path in storage.checkpoints_of(job.id).glob("*"):
        if path.name not in named and _place(path) < max(reached, (job.attempt, 0)):
            remove(path)


def _place(path: Path) -> tuple[int, int]:
    """Attempt and step of a checkpoint's file, finished or not."""
    attempt, _, step = path.name.partition(".")[0].partition("-")
    return int(attempt), int(step)


def saved_states(session: Session, storage: Storage, job_id: str) -> list[SavedState]:
    """What a run may go on from, the best first."""
    return [
        SavedState(path=storage.root / row.file, attempt=row.attempt, step=row.step)
        for row in store.checkpoints(session, job_id)
    ]


def states(session: Session, job_id: str) -> list[CheckpointRow]:
    """A job's checkpoints, the newest first."""
    return store.checkpoints(session, job_id)


def last_state(session: Session, job_id: str) -> CheckpointRow | None:
    """The newest checkpoint, if there is any."""
    return next(iter(states(session, job_id)), None)


def hand_on(session: Session, storage: Storage, state: CheckpointRow, to: JobRow) -> None:
    """Make a checkpoint of one job what another job starts from. Raises `FileNotFoundError` where it is gone.

    A second name for the same file, so that both jobs can be deleted in any order.
    """
    final = storage.checkpoint(to.id, START, state.step)
    final.parent.mkdir()
    os.link(storage.root / state.file, final)
    for folder in (final.parent, storage.checkpoints):
        sync(folder)
    session.add(
        CheckpointRow(
            job_id=to.id,
            attempt=START,
            step=state.step,
            epoch=state.epoch,
            file=str(final.relative_to(storage.root)),
            bytes=state.bytes,
            sha256=state.sha256,
            environment=state.environment,
            created_at=now(),
        )
    )
    session.flush()
