"""What one owner may have at most: jobs in the queue, bytes of data sets and models.

A session that serves a request knows the limits (`Session.info`); a worker's knows none.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.database import hold
from app.ownership import owner_of, stored_bytes
from app.problems import StorageFull, TooMany

QUOTA = "quota"  # the key in a session's info
QUEUE_SECONDS = 30  # after which to ask again


@dataclass(frozen=True)
class Quota:
    """The limits of one owner."""

    queued_jobs: int
    stored_bytes: int | None  # None: as many as the disk holds


def check_queue(session: Session, queued: int) -> None:
    """Raise `TooMany` where the owner has more jobs in the queue than may wait; `queued` counts the new one."""
    quota = _quota(session)
    if quota is not None and queued > quota.queued_jobs:
        raise TooMany(
            f"{quota.queued_jobs} jobs wait already, and no more may; try again when one has begun, or cancel one",
            code="queue_full",
            headers={"Retry-After": str(QUEUE_SECONDS)},
        )


def check_space(session: Session, more: int) -> None:
    """Raise `StorageFull` where `more` bytes are more than the owner may add to what is stored."""
    quota = _quota(session)
    if quota is None or quota.stored_bytes is None:
        return
    check_space_of(session, owner_of(session), more, quota.stored_bytes)


def check_space_of(session: Session, owner: str, more: int, most: int) -> None:
    """The same for any owner, who may have `most` bytes."""
    hold(session, f"space of {owner!r}")  # two that look at once would both see room
    used = stored_bytes(session, owner)
    if used + more > most:
        raise StorageFull(
            f"{used:,} of {most:,} bytes are in use, and {more:,} more do not fit: delete data sets, models or "
            "batch predictions",
            code="storage_quota",
        )


def _quota(session: Session) -> Quota | None:
    quota: Quota | None = session.info.get(QUOTA)
    return quota
