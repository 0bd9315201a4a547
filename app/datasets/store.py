"""The table of data sets and its queries."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Select, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime
from app.ownership import Stored
from app.tags import has_tag


class DatasetRow(Stored, Base):
    """An uploaded table; its rows lie in a file that the id names."""

    __tablename__ = "datasets"
    __table_args__ = (Index("ix_datasets_owner", "owner", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    tags: Mapped[list[str]] = mapped_column(JSON)
    format: Mapped[str]  # of the upload
    rows: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)  # of the upload, decompressed
    sha256: Mapped[str]  # of the upload, decompressed
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # profiles, in the table's order
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def get(session: Session, dataset_id: str) -> DatasetRow | None:
    """The data set of this id."""
    return session.get(DatasetRow, dataset_id)


def matching(name: str | None, tag: str | None) -> Select[DatasetRow]:
    """Data sets, filtered."""
    query = select(DatasetRow)
    if name is not None:
        query = query.where(DatasetRow.name == name)
    if tag is not None:
        query = query.where(has_tag(DatasetRow.tags, tag))
    return query
