"""The tables of jobs, their inputs, their loss histories and the workers, and their queries."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Select,
    String,
    delete,
    exists,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, validates

from app.database import Base, UtcDateTime, hold
from app.datasets.store import DatasetRow
from app.jobs.states import FINISHED, Kind, Status, checked
from app.models.store import ModelRow
from app.ownership import Owned, owner_of
from app.tags import has_tag

_NONE = text("'[]'")  # an empty list in JSON, for rows that are older than the column


class JobRow(Owned, Base):
    """A training job, or other work that waits in the same queue."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_queue", "status", "priority", "owner", "id"),
        Index("ix_jobs_owner", "owner", "id"),
    )

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
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # by the present attempt
    spent_seconds: Mapped[float] = mapped_column(server_default=text("0"))  # by attempts before the present
    crashes: Mapped[int] = mapped_column(server_default=text("0"))
    memory_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))  # as planned
    pause_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSON, server_default=_NONE)  # changes.Change
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSON, server_default=_NONE)
    weights_sha256: Mapped[str | None]
    environment_changed: Mapped[bool] = mapped_column(server_default=text("false"))
    continues: Mapped[str | None]  # job whose end this one starts from; not a foreign key: it may be deleted
    replay: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # schemas.Replay
    # The model whose weights it starts from; until the job ends, so that the model is there as long.
    start_model_id: Mapped[str | None] = mapped_column(ForeignKey(ModelRow.id), index=True)
    kind: Mapped[Kind] = mapped_column(String, default="training", server_default="training")

    @validates("status")
    def _legal(self, _key: str, status: Status) -> Status:
        return checked(self.status, status)


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
    step: Mapped[int] = mapped_column(BigInteger)
    train_loss: Mapped[float]
    validation_loss: Mapped[float | None]
    learning_rate: Mapped[float]
    penalty: Mapped[float]
    seconds: Mapped[float]
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    # The number of the network, where there are several, and its own epoch.
    fold: Mapped[int | None]
    fold_epoch: Mapped[int | None]


class CheckpointRow(Base):
    """A checkpoint whose file is durable, and whose epochs are in the history."""

    __tablename__ = "checkpoints"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)  # 0: what the job starts from
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    epoch: Mapped[int]  # epochs done
    file: Mapped[str]  # relative to the data folder
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    environment: Mapped[dict[str, Any]] = mapped_column(JSON)  # jobs.environment: the fingerprint
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


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


def goes_on(session: Session, job_id: str) -> bool:
    """Whether more may happen to a job."""
    row = get(session, job_id)
    return row is not None and row.status not in FINISHED


def matching(
    name: str | None, status: Status | None, tag: str | None, kind: Kind = "training"
) -> Select[JobRow]:
    """Jobs, filtered; `name` is the model's."""
    query = select(JobRow).where(JobRow.kind == kind)
    if name is not None:
        query = query.where(JobRow.model_name == name)
    if status is not None:
        query = query.where(JobRow.status == status)
    if tag is not None:
        query = query.where(has_tag(JobRow.tags, tag))
    return query


def status_counts(session: Session) -> dict[str, int]:
    """How many jobs there are in each status."""
    query = select(JobRow.status, func.count().label("jobs")).group_by(JobRow.status)
    return {row.status: row.jobs for row in session.execute(query)}


def queued(session: Session) -> int:
    """How many jobs wait; whoever counts does so alone until it commits."""
    hold(session, f"queue of {owner_of(session)!r}")
    return session.scalar(select(func.count()).where(JobRow.status == "queued")) or 0


def any_queued(session: Session) -> bool:
    """Whether any job waits."""
    return session.scalar(select(exists().where(JobRow.status == "queued"))) or False


def next_queued(session: Session) -> JobRow | None:
    """The job to run next: highest priority, then the owner with the fewest running jobs, then the oldest.

    One that another worker is about to take is passed over.
    """
    for priority, owner in _queues(session):
        query = (
            select(JobRow)
            .where(JobRow.status == "queued", JobRow.priority == priority, JobRow.owner == owner)
            .order_by(JobRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = session.scalars(query).first()
        if row is not None:
            return row
    return None


def _queues(session: Session) -> list[tuple[int, str]]:
    """The priorities and owners of queued jobs, in the order of their turns."""
    running = (
        select(JobRow.owner, func.count().label("jobs"))
        .where(JobRow.status == "running")
        .group_by(JobRow.owner)
        .subquery()
    )
    queued = (
        select(JobRow.priority, JobRow.owner, func.min(JobRow.id).label("oldest"))
        .where(JobRow.status == "queued")
        .group_by(JobRow.priority, JobRow.owner)
        .subquery()
    )
    query = (
        select(queued.c.priority, queued.c.owner)
        .outerjoin(running, running.c.owner == queued.c.owner)
        .order_by(queued.c.priority.desc(), func.coalesce(running.c.jobs, 0), queued.c.oldest)
    )
    return [(row.priority, row.owner) for row in session.execute(query)]


def expired(session: Session, at: datetime) -> list[JobRow]:
    """Running jobs whose lease is over."""
    return list(
        session.scalars(select(JobRow).where(JobRow.status == "running", JobRow.lease_expires_at < at))
    )


def memory_in_use(session: Session, worker_id: str) -> int:
    """Bytes that the running jobs of a worker's host were planned with; claims of one host wait for each other."""
    host = session.scalar(select(WorkerRow.host).where(WorkerRow.id == worker_id))
    hold(session, f"memory of {host}")
    beside = select(WorkerRow.id).where(WorkerRow.host == host)
    query = select(func.sum(JobRow.memory_bytes)).where(
        JobRow.status == "running", JobRow.worker_id.in_(beside)
    )
    return int(session.scalar(query) or 0)


def hold_inputs(session: Session, job_id: str, dataset_ids: set[str]) -> None:
    """Keep data sets from being deleted while the job needs them; the database refuses those that are gone."""
    session.add_all(JobInputRow(job_id=job_id, dataset_id=dataset_id) for dataset_id in dataset_ids)
    session.flush()


def release_inputs(session: Session, job_id: str) -> None:
    """The job needs its data sets no more."""
    session.execute(delete(JobInputRow).where(JobInputRow.job_id == job_id))


def add_points(session: Session, points: list[dict[str, Any]]) -> None:
    """Append epochs to a history."""
    session.execute(insert(PointRow), points)


def drop_points(session: Session, job_id: str) -> None:
    """Empty a history, for an attempt that starts again."""
    session.execute(delete(PointRow).where(PointRow.job_id == job_id))


def first_epoch(session: Session, job_id: str) -> int:
    """The oldest epoch in the history: 1, but for a job that continues another; 1 before the first."""
    return session.scalar(select(func.min(PointRow.epoch)).where(PointRow.job_id == job_id)) or 1


def last_epoch(session: Session, job_id: str) -> int:
    """The newest epoch in the history; 0 before the first."""
    return session.scalar(select(func.max(PointRow.epoch)).where(PointRow.job_id == job_id)) or 0


def last_step(session: Session, job_id: str) -> int:
    """The optimizer's step at the end of the newest epoch in the history; 0 before the first."""
    return session.scalar(select(func.max(PointRow.step)).where(PointRow.job_id == job_id)) or 0


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


def checkpoints(session: Session, job_id: str) -> list[CheckpointRow]:
    """A job's checkpoints, the newest first."""
    query = (
        select(CheckpointRow)
        .where(CheckpointRow.job_id == job_id)
        .order_by(CheckpointRow.attempt.desc(), CheckpointRow.step.desc())
    )
    return list(session.scalars(query))
