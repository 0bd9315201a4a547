"""The tables of models and of their names, and their queries."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Select, UniqueConstraint, exists, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime
from app.datasets.store import DatasetRow


class ModelNameRow(Base):
    """A name of models; its counter only rises, so that a version is never reused."""

    __tablename__ = "model_names"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_version: Mapped[int]


class ModelRow(Base):
    """A trained network; its weights lie in a file that the id names."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(ForeignKey("model_names.name"))
    version: Mapped[int]
    task: Mapped[str]
    job_id: Mapped[str | None]  # not a foreign key: the model outlives its job
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey(DatasetRow.id, ondelete="SET NULL"), index=True)
    bytes: Mapped[int]
    sha256: Mapped[str]
    features: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    target: Mapped[dict[str, Any]] = mapped_column(JSON)
    lineage: Mapped[dict[str, Any]] = mapped_column(JSON)
    evaluation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    tags: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def next_version(session: Session, name: str) -> int:
    """Count the name's versions on, in the transaction of the model that gets the number."""
    row = session.get(ModelNameRow, name, with_for_update=True)
    if row is None:
        row = ModelNameRow(name=name, last_version=0)
        session.add(row)
    row.last_version += 1
    session.flush()
    return row.last_version


def get(session: Session, model_id: str) -> ModelRow | None:
    """The model of this id."""
    return session.get(ModelRow, model_id)


def newest(session: Session, name: str) -> ModelRow | None:
    """The model of this name with the highest version."""
    return session.scalar(
        select(ModelRow).where(ModelRow.name == name).order_by(ModelRow.version.desc()).limit(1)
    )


def of_version(session: Session, name: str, version: int) -> ModelRow | None:
    """The model of this name and version."""
    return session.scalar(select(ModelRow).where(ModelRow.name == name, ModelRow.version == version))


def matching(name: str | None, tag: str | None) -> Select[ModelRow]:
    """Models, filtered."""
    query = select(ModelRow)
    if name is not None:
        query = query.where(ModelRow.name == name)
    if tag is not None:
        tags = func.json_each(ModelRow.tags).table_valued("value", name="tag")
        query = query.where(exists().select_from(tags).where(tags.c.value == tag))
    return query
