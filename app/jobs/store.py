"""The tables of jobs, their inputs, their loss histories and the workers, and their queries."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Select, delete, exists, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime
from app.datasets.store import DatasetRow
from app.jobs.states import Status


class JobRow(Base):
    """A training job."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_queue", "status", "priority", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[Status]
    request: Mapped[dict[str, Any]] = mapped_column(JSON)  # JobRequest, with defaults filled in
    network: Mapped[dict[str, Any]] = mapped_column(JSON)  # NetworkSpec as it is trained
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)  # engine.planning.Plan
    model_name: Mapped[str] = mapped_column(index=True)
    task: Mapped[str]
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey(DatasetRow.id, ondelete="SET NULL"), index=True)
    dataset: Mapped[dict[str, Any]] = mapped_column(JSON)  # name and sha256: kept when the data set goes
    inputs: Mapped[dict[str, Any]] = mapped_column(JSON)  # app.jobs.assignment.Inputs
    network_id: Mapped[str | None]  # not a foreign key: the job holds its own copy of the network
    tags: Mapped[list[str]] = mapped_column(JSON)
    priority: Mapped[int]
    attempt: Mapped[int]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    latest: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    model_id: Mapped[str | None]
    worker_id: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class JobInputRow(Base):
    """A data set that an unfinished job needs: the database refuses to delete it. Gone when the job ends."""

    __tablename__ = "job_inputs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey(DatasetRow.id), primary_key=True, index=True)


class PointRow(Base):
    """One epoch of a job's history."""

    __tablename__ = "job_points"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy's way to give table options

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int]
    train_loss: Mapped[float]
    validation_loss: Mapped[float | None]
    learning_rate: Mapped[float]
    penalty: Mapped[float]
    seconds: Mapped[float]
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)


class WorkerRow(Base):
    """A worker and its last sign of life."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    pid: Mapped[int]
    host: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


def get(session: Session, job_id: str) -> JobRow | None:
    """The job of this id."""
    return session.get(JobRow, job_id)


def matching(name: str | None, status: Status | None, tag: str | None) -> Select[JobRow]:
    """Jobs, filtered; `name` is the model's."""
    query = select(JobRow)
    if name is not None:
        query = query.where(JobRow.model_name == name)
    if status is not None:
        query = query.where(JobRow.status == status)
    if tag is not None:
        tags = func.json_each(JobRow.tags).table_valued("value", name="tag")
        query = query.where(exists().select_from(tags).where(tags.c.value == tag))
    return query


def status_counts(session: Session) -> dict[str, int]:
    """How many jobs there are in each status."""
    query = select(JobRow.status, func.count().label("jobs")).group_by(JobRow.status)
    return {row.status: row.jobs for row in session.execute(query)}


def any_queued(session: Session) -> bool:
    """Whether any job waits."""
    return session.scalar(select(exists().where(JobRow.status == "queued"))) or False


def next_queued(session: Session) -> JobRow | None:
    """The job to run next: highest priority, then oldest."""
    query = (
        select(JobRow).where(JobRow.status == "queued").order_by(JobRow.priority.desc(), JobRow.id).limit(1)
    )
    return session.scalars(query).first()


def expired(session: Session, at: datetime) -> list[JobRow]:
    """Running jobs whose lease is over."""
    return list(
        session.scalars(select(JobRow).where(JobRow.status == "running", JobRow.lease_expires_at < at))
    )


def release_inputs(session: Session, job_id: str) -> None:
    """The job needs its data sets no more."""
    session.execute(delete(JobInputRow).where(JobInputRow.job_id == job_id))


def add_points(session: Session, points: list[dict[str, Any]]) -> None:
    """Append epochs to a history."""
    session.execute(insert(PointRow), points)


def drop_points(session: Session, job_id: str) -> None:
    """Empty a history, for an attempt that starts again."""
    session.execute(delete(PointRow).where(PointRow.job_id == job_id))


def last_epoch(session: Session, job_id: str) -> int:
    """The newest epoch in the history; 0 before the first."""
    return session.scalar(select(func.max(PointRow.epoch)).where(PointRow.job_id == job_id)) or 0


def points(session: Session, job_id: str, first: int, last: int, most: int) -> list[PointRow]:
    """At most `most` points of the epochs first..last, evenly spread, both ends included.

    Epochs have no gaps, so the wanted ones are named: the cost is that of the answer, whatever the history.
    """
    wanted = list(range(first, last + 1))
    if len(wanted) > most:
        gap = (last - first) / max(most - 1, 1)
        wanted = [last - round(i * gap) for i in range(most)]
    query = (
        select(PointRow).where(PointRow.job_id == job_id, PointRow.epoch.in_(wanted)).order_by(PointRow.epoch)
    )
    return list(session.scalars(query))


def workers_seen_since(session: Session, since: datetime, host: str | None) -> int:
    """How many workers, of all hosts or of one, gave a sign of life after `since`."""
    query = select(func.count()).select_from(WorkerRow).where(WorkerRow.seen_at > since)
    if host is not None:
        query = query.where(WorkerRow.host == host)
    return session.scalar(query) or 0


def forget_workers(session: Session, before: datetime) -> None:
    """Remove workers that have been silent since `before`."""
    session.execute(delete(WorkerRow).where(WorkerRow.seen_at < before))
