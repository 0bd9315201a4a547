"""The log of what happened to each job: appended, never changed."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, ForeignKey, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime, now

Kind = Literal["status", "epoch", "log", "finding", "done"]


class JobEventRow(Base):
    """One event; `sequence` counts from 1 within its job and is the event's id on the wire."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    # Of an epoch: {"first", "last"}, whose points lie in the history.
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def append(session: Session, job_id: str, kind: Kind, data: dict[str, Any]) -> None:
    """Append an event in the transaction that makes it true."""
    last = session.scalar(select(func.max(JobEventRow.sequence)).where(JobEventRow.job_id == job_id)) or 0
    session.add(JobEventRow(job_id=job_id, sequence=last + 1, kind=kind, data=data, created_at=now()))
    session.flush()


def after(session: Session, job_id: str, sequence: int) -> list[JobEventRow]:
    """The events of a job after `sequence`, in order."""
    query = (
        select(JobEventRow)
        .where(JobEventRow.job_id == job_id, JobEventRow.sequence > sequence)
        .order_by(JobEventRow.sequence)
    )
    return list(session.scalars(query))


def drop_epochs(session: Session, job_id: str) -> None:
    """Forget the epochs of an attempt that starts again."""
    session.execute(delete(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.kind == "epoch"))


def drop_done(session: Session, job_id: str) -> None:
    """Take back that the job had ended; only once a later event is there, so that no number is used twice."""
    session.execute(delete(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.kind == "done"))
