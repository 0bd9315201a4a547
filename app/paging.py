"""Lists in pages: newest first, with a cursor."""

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Field(ge=1, le=100, description="How many items a page holds.")]
Cursor = Annotated[
    str | None,
    Field(
        pattern=r"^[a-z0-9_]{1,64}$",
        description="`next_cursor` of the page before; left out, the first page.",
    ),
]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item] = Field(description="Newest first.")
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one.")


def page(
    session: Session,
    query: Select[Row],
    key: InstrumentedAttribute[str],
    *,
    limit: int,
    cursor: str | None,
    view: Callable[[Row], Item],
) -> Page[Item]:
    """The rows of `query` after `cursor`, in falling order of `key` (an id that sorts by time)."""
    if cursor is not None:
        query = query.where(key < cursor)
    rows = list(session.scalars(query.order_by(key.desc()).limit(limit + 1)))
    more = len(rows) > limit
    return Page(
        items=[view(row) for row in rows[:limit]],
        next_cursor=getattr(rows[limit - 1], key.key) if more else None,
    )
