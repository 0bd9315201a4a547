"""The tables of keys and of the pages' sessions, and their queries."""

from datetime import datetime

from sqlalchemy import ForeignKey, Select, delete, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access import Scope
from app.database import Base, UtcDateTime


class KeyRow(Base):
    """A key. Its row stays when it is revoked: the service never opens again because its last key went."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str]  # of the whole key
    owner: Mapped[str]
    scope: Mapped[Scope]
    note: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PageSessionRow(Base):
    """A browser's session: it acts as the key that it was got with, as long as that is good."""

    __tablename__ = "page_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str]  # of the whole cookie
    key_id: Mapped[str] = mapped_column(ForeignKey(KeyRow.id, ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


def any_key(session: Session) -> bool:
    """Whether there ever was a key."""
    return session.scalar(select(exists(select(KeyRow.id)))) or False


def get(session: Session, key_id: str) -> KeyRow | None:
    """The key of this id."""
    return session.get(KeyRow, key_id)


def of_prefix(session: Session, prefix: str) -> KeyRow | None:
    """The key with this prefix."""
    return session.scalar(select(KeyRow).where(KeyRow.prefix == prefix))


def matching(owner: str | None) -> Select[KeyRow]:
    """Keys, filtered."""
    query = select(KeyRow)
    return query if owner is None else query.where(KeyRow.owner == owner)


def page_session(session: Session, prefix: str) -> PageSessionRow | None:
    """The page's session with this prefix."""
    return session.scalar(select(PageSessionRow).where(PageSessionRow.prefix == prefix))


def forget_page_sessions(session: Session, before: datetime) -> None:
    """Remove sessions that ended before a time."""
    session.execute(delete(PageSessionRow).where(PageSessionRow.expires_at < before))
