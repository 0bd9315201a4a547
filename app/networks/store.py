"""The table of networks and its queries."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Select, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime
from app.ownership import Owned


class NetworkRow(Owned, Base):
    """A network that somebody defined."""

    __tablename__ = "networks"
    __table_args__ = (Index("ix_networks_owner", "owner", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    template: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # what it was made from
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)  # engine.network.NetworkSpec
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def get(session: Session, network_id: str) -> NetworkRow | None:
    """The network of this id."""
    return session.get(NetworkRow, network_id)


def matching(name: str | None) -> Select[NetworkRow]:
    """Networks, filtered."""
    query = select(NetworkRow)
    return query if name is None else query.where(NetworkRow.name == name)
