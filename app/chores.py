"""What is to be done now and then, by whichever worker comes first."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime, hold, now


class ChoreRow(Base):
    """When a chore was last done."""

    __tablename__ = "chores"

    name: Mapped[str] = mapped_column(primary_key=True)
    done_at: Mapped[datetime] = mapped_column(UtcDateTime)


def is_due(session: Session, name: str, every: timedelta) -> bool:
    """Whether a chore was last done so long ago; then the caller does it, and nobody else does."""
    hold(session, f"chore {name}")
    row = session.get(ChoreRow, name)
    if row is not None and row.done_at > now() - every:
        return False
    session.merge(ChoreRow(name=name, done_at=now()))
    return True
