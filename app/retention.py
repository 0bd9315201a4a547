"""What is forgotten in time, by the settings keep_...: histories, events, checkpoints, lines of the audit log.

One worker looks once an hour, whichever comes first. Unfinished jobs keep everything.
"""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from app.audit.store import AuditRow
from app.chores import is_due
from app.database import Database, now
from app.events.store import JobEventRow
from app.jobs import checkpoints, store
from app.jobs.states import FINISHED
from app.jobs.store import CheckpointRow, JobRow, PointRow
from app.settings import Settings
from app.storage import Storage, remove

EVERY = timedelta(hours=1)
SECONDS = (
    5.0  # for one look, since a worker that looks gives no sign of life; what is left waits for the next
)
TELLING = {"status", "done"}  # events without which a stream would have no beginning and no end

logger = logging.getLogger(__name__)


def retain(database: Database, storage: Storage, settings: Settings) -> None:
    """Forget what is older than the settings say, unless some worker did so within the last hour."""
    with database.write() as session:
        if not is_due(session, "retention", EVERY):
            return
    deadline = time.monotonic() + SECONDS
    for _ in _forget(database, storage, settings):
        if time.monotonic() > deadline:
            return


def _forget(database: Database, storage: Storage, settings: Settings) -> Iterator[None]:
    """In small steps, each a transaction of its own, so that nobody waits for long."""
    if settings.keep_audit_days:
        with database.write() as session:
            session.execute(delete(AuditRow).where(AuditRow.at < _days_ago(settings.keep_audit_days)))
        yield
    if settings.keep_history_days:
        for job_id in _finished(database, PointRow, settings.keep_history_days):
            _forget_history(database, job_id)
            yield
    if settings.keep_events_days:
        for job_id in _finished(database, JobEventRow, settings.keep_events_days):
            _forget_events(database, job_id)
            yield
    for job_id in _with_more_checkpoints(database, settings.keep_checkpoints):
        _forget_checkpoints(database, storage, job_id, settings.keep_checkpoints)
        yield


def _days_ago(days: int) -> datetime:
    return now() - timedelta(days=days)


def _finished(database: Database, table: type[PointRow | JobEventRow], days: int) -> list[str]:
    """Jobs that ended so many days ago and still have rows to be forgotten in a table."""
    has_rows = exists().where(table.job_id == JobRow.id)
    if table is JobEventRow:
        has_rows = has_rows.where(JobEventRow.kind.not_in(TELLING))
    query = select(JobRow.id).where(JobRow.finished_at < _days_ago(days), has_rows)
    with database.read() as session:
        return list(session.scalars(query))


def _still_finished(session: Session, job_id: str) -> bool:
    """Whether nobody has had the job tried again or deleted it since it was found; the row is locked."""
    row = store.get(session, job_id)
    return row is not None and row.status in FINISHED


def _forget_history(database: Database, job_id: str) -> None:
    """With the events that tell of epochs, which are nothing without them."""
    with database.write() as session:
        if _still_finished(session, job_id):
            store.drop_points(session, job_id)
            _drop_events(session, job_id, {"epoch"})


def _forget_events(database: Database, job_id: str) -> None:
    with database.write() as session:
        if _still_finished(session, job_id):
            _drop_events(session, job_id, {"epoch", "log", "finding"})


def _drop_events(session: Session, job_id: str, kinds: set[str]) -> None:
    session.execute(delete(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.kind.in_(kinds)))


def _with_more_checkpoints(database: Database, kept: int) -> list[str]:
    query = (
        select(CheckpointRow.job_id)
        .join(JobRow, JobRow.id == CheckpointRow.job_id)
        .where(JobRow.status.in_(FINISHED), CheckpointRow.attempt != checkpoints.START)
        .group_by(CheckpointRow.job_id)
        .having(func.count() > kept)
    )
    with database.read() as session:
        return list(session.scalars(query))


def _forget_checkpoints(database: Database, storage: Storage, job_id: str, kept: int) -> None:
    """Rows first, then their files."""
    with database.write() as session:
        if not _still_finished(session, job_id):
            return
        before = {row.file for row in store.checkpoints(session, job_id)}
        checkpoints.keep(session, job_id, kept)
        after = {row.file for row in store.checkpoints(session, job_id)}
    for file in before - after:
        remove(storage.root / file)
    logger.info("forgot checkpoints", extra={"job_id": job_id, "files": len(before - after)})
