"""Whose things are whose, once and underneath: a session that acts for an owner neither sees nor changes others'.

A row of an `Owned` table belongs to an owner. Every statement of a session with `session.info["owner"]` is
narrowed to that owner's rows, whoever writes the query, and what it adds is theirs. A session without one, such
as a worker's, sees everything. Without keys everything belongs to the owner "".
"""

from typing import Any

from sqlalchemy import event, exists, func, select, update
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

from app.database import Base

OWNER = "owner"  # the key in a session's info


class Owned:
    """A table whose rows belong to somebody (mixin)."""

    owner: Mapped[str] = mapped_column(default="", server_default="")


class Stored(Owned):
    """A table whose rows stand for files of so many bytes, which count against their owner's space (mixin)."""

    bytes: Mapped[int]


class WrongOwner(Exception):
    """A session tried to add, change or delete what is not its owner's: an error of ours."""


def owner_of(session: Session) -> str:
    """The owner that the session acts for; "" for one that acts for nobody."""
    owner: str = session.info.get(OWNER, "")
    return owner


def owned_tables() -> list[Any]:
    """Every table whose rows belong to somebody, those that others refer to first."""
    mapped = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    classes = (mapped.get(table) for table in Base.metadata.sorted_tables)
    return [table for table in classes if table is not None and issubclass(table, Owned)]


def any_unowned(session: Session) -> bool:
    """Whether anything belongs to nobody."""
    return any(session.scalar(select(exists().where(table.owner == ""))) for table in owned_tables())


def adopt(session: Session, owner: str) -> None:
    """Give `owner` all that belongs to nobody; raises SQLAlchemy's `IntegrityError` where names clash."""
    for table in owned_tables():
        session.execute(update(table).where(table.owner == "").values(owner=owner))


def stored_bytes(session: Session, owner: str | None = None) -> int:
    """The bytes of all files that the session can see, or of one owner's."""
    tables = [table for table in owned_tables() if issubclass(table, Stored)]
    queries = [select(func.coalesce(func.sum(table.bytes), 0)) for table in tables]
    if owner is not None:
        queries = [query.where(table.owner == owner) for query, table in zip(queries, tables, strict=True)]
    return sum(session.scalar(query) or 0 for query in queries)


@event.listens_for(Session, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    owner = state.session.info.get(OWNER)
    if owner is None:
        return
    if state.is_insert and state.bind_mapper is not None and issubclass(state.bind_mapper.class_, Owned):
        raise WrongOwner(f"{state.bind_mapper.class_.__name__}: session.add adds rows, which marks them")
    if state.is_select or state.is_update or state.is_delete:
        own = with_loader_criteria(Owned, lambda table: table.owner == owner, include_aliases=True)
        state.statement = state.statement.options(own)


@event.listens_for(Session, "before_flush")
def _mark(session: Session, _context: object, _instances: object) -> None:
    owner = session.info.get(OWNER)
    if owner is None:
        return
    for row in session.new:
        if isinstance(row, Owned) and vars(row).get("owner") is None:
            row.owner = owner
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, Owned) and row.owner != owner:
            raise WrongOwner(f"{type(row).__name__} of {row.owner!r} in a session of {owner!r}")
