"""The log of changes: a line in the transaction that makes the change, so that neither is without the other.

Lines are appended and never changed. None holds a secret or a body.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import JSON, Select, event, select
from sqlalchemy.orm import Mapped, Session, UOWTransaction, mapped_column

from app.database import Base, UtcDateTime, now
from app.ids import new_id

ASKED = "asked"  # the key in the info of a session that serves a request
LONGEST_ID = 100  # of what stood in a path


class AuditRow(Base):
    """One change, or one refused attempt to get in."""

    __tablename__ = "audit"

    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    key_id: Mapped[str | None]
    owner: Mapped[str | None]
    client: Mapped[str | None]
    method: Mapped[str]
    route: Mapped[str]
    ids: Mapped[list[str]] = mapped_column(JSON)
    status: Mapped[int]
    request_id: Mapped[str | None]


@dataclass(frozen=True)
class Asked:
    """What is asked for, by whom and from where."""

    method: str
    route: str  # its template, such as /v1/jobs/{job_id}, or the command's name
    status: int  # of the answer if the change succeeds
    key_id: str | None = None
    owner: str | None = None
    client: str | None = None  # the address
    request_id: str | None = None
    ids: tuple[str, ...] = ()  # that stood in the path


def append(session: Session, asked: Asked, changed: tuple[str, ...] = ()) -> None:
    """Add a line to the log in the session's transaction; `changed` are the ids of what it changes."""
    ids = dict.fromkeys(thing[:LONGEST_ID] for thing in (*asked.ids, *changed))
    values = vars(asked) | {"ids": list(ids)}
    session.add(AuditRow(id=new_id("aud"), at=now(), **values))


def matching(
    owner: str | None, key_id: str | None, since: datetime | None, until: datetime | None
) -> Select[AuditRow]:
    """Lines, filtered; `since` is included, `until` is not."""
    query = select(AuditRow)
    if owner is not None:
        query = query.where(AuditRow.owner == owner)
    if key_id is not None:
        query = query.where(AuditRow.key_id == key_id)
    if since is not None:
        query = query.where(AuditRow.at >= since)
    if until is not None:
        query = query.where(AuditRow.at < until)
    return query


@event.listens_for(Session, "after_flush")
def _gather(session: Session, _context: UOWTransaction) -> None:
    """Remember what a request's session has added, changed or deleted: all that has an id of its own."""
    if ASKED not in session.info:
        return
    changed: dict[str, None] = session.info.setdefault("changed", {})
    for row in (*session.new, *session.deleted, *filter(session.is_modified, session.dirty)):
        if not isinstance(row, AuditRow) and isinstance(thing := getattr(row, "id", None), str):
            changed[thing] = None


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    """Add the line of a request's session that changes anything."""
    if ASKED not in session.info:
        return
    session.flush()
    if changed := session.info.pop("changed", None):
        append(session, session.info[ASKED], tuple(changed))
