"""The tables of models and of their names, and their queries."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Select,
    UniqueConstraint,
    and_,
    delete,
    exists,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime, hold
from app.datasets.store import DatasetRow
from app.ownership import Owned, Stored
from app.tags import has_tag


class ModelNameRow(Owned, Base):
    """A name of an owner's models; its counter only rises, so that a version is never reused."""

    __tablename__ = "model_names"

    owner: Mapped[str] = mapped_column(primary_key=True, default="", server_default="")
    name: Mapped[str] = mapped_column(primary_key=True)
    last_version: Mapped[int]


class ModelRow(Stored, Base):
    """A trained network; its weights lie in a file that the id names."""

    __tablename__ = "models"
    __table_args__ = (
        # A model goes with its name to another owner.
        ForeignKeyConstraint(
            ["owner", "name"], ["model_names.owner", "model_names.name"], onupdate="CASCADE"
        ),
        UniqueConstraint("owner", "name", "version"),
        Index("ix_models_owner", "owner", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    task: Mapped[str]
    job_id: Mapped[str | None]  # not a foreign key: the model outlives its job
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey(DatasetRow.id, ondelete="SET NULL"), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    features: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    target: Mapped[dict[str, Any]] = mapped_column(JSON)
    lineage: Mapped[dict[str, Any]] = mapped_column(JSON)
    evaluation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    tags: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    notes: Mapped[str] = mapped_column(default="", server_default="")


class AliasRow(Owned, Base):
    """A name for one version of a model that may move to another; the database refuses to delete that version."""

    __tablename__ = "model_aliases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["owner", "name", "version"],
            ["models.owner", "models.name", "models.version"],
            onupdate="CASCADE",
        ),
    )

    owner: Mapped[str] = mapped_column(primary_key=True, default="", server_default="")
    name: Mapped[str] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    moved_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AliasMoveRow(Owned, Base):
    """A change of an alias, or one that a gate refused; appended, the oldest forgotten."""

    __tablename__ = "alias_moves"
    __table_args__ = (
        ForeignKeyConstraint(
            ["owner", "name"], ["model_names.owner", "model_names.name"], onupdate="CASCADE"
        ),
        Index("ix_alias_moves_alias", "owner", "name", "alias", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    alias: Mapped[str]
    action: Mapped[str]  # schemas.AliasAction
    version: Mapped[int | None]
    previous_version: Mapped[int | None]
    key_id: Mapped[str | None]  # whose bearer did it
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    gate: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # schemas.GateOutcome


def next_version(session: Session, owner: str, name: str) -> int:
    """Count the name's versions on, in the transaction of the model that gets the number."""
    hold(session, f"model {owner} {name}")  # the row of a new name cannot be locked yet
    row = session.get(ModelNameRow, (owner, name))
    if row is None:
        row = ModelNameRow(owner=owner, name=name, last_version=0)
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


def of_alias(session: Session, name: str, alias: str) -> ModelRow | None:
    """The model of this name that the alias stands for."""
    query = select(ModelRow).join(
        AliasRow,
        and_(
            AliasRow.owner == ModelRow.owner,
            AliasRow.name == ModelRow.name,
            AliasRow.version == ModelRow.version,
        ),
    )
    return session.scalar(query.where(AliasRow.name == name, AliasRow.alias == alias))


def has_name(session: Session, name: str) -> bool:
    """Whether any model was ever called so."""
    return session.scalar(select(exists().where(ModelNameRow.name == name))) or False


def alias(session: Session, name: str, alias: str) -> AliasRow | None:
    """The alias of this name."""
    return session.scalar(select(AliasRow).where(AliasRow.name == name, AliasRow.alias == alias))


def aliases(session: Session, name: str) -> list[AliasRow]:
    """The aliases of a name, by the alphabet."""
    return list(session.scalars(select(AliasRow).where(AliasRow.name == name).order_by(AliasRow.alias)))


def moves(name: str, alias: str) -> Select[AliasMoveRow]:
    """What happened to an alias."""
    return select(AliasMoveRow).where(AliasMoveRow.name == name, AliasMoveRow.alias == alias)


def forget_moves(session: Session, name: str, alias: str, kept: int) -> None:
    """Forget what happened to an alias but for the newest `kept` moves."""
    oldest = moves(name, alias).with_only_columns(AliasMoveRow.id).order_by(AliasMoveRow.id.desc())
    if (first := session.scalar(oldest.offset(kept).limit(1))) is not None:
        of_alias = (AliasMoveRow.name == name, AliasMoveRow.alias == alias)
        session.execute(delete(AliasMoveRow).where(*of_alias, AliasMoveRow.id <= first))


def matching(name: str | None, tag: str | None) -> Select[ModelRow]:
    """Models, filtered."""
    query = select(ModelRow)
    if name is not None:
        query = query.where(ModelRow.name == name)
    if tag is not None:
        query = query.where(has_tag(ModelRow.tags, tag))
    return query
