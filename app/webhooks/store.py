"""The tables of webhooks and of what is sent to them, and their queries."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Select, delete, exists, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime
from app.ownership import Owned


class WebhookRow(Owned, Base):
    """An address that is told of events."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_owner", "owner", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(JSON)
    note: Mapped[str]
    secret: Mapped[str]  # as it is: whoever signs needs it
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DeliveryRow(Owned, Base):
    """An event that a webhook is to be told of: written in the transaction that makes it true."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),
        Index("ix_webhook_deliveries_due", "status", "due_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)  # the message's, the same in every attempt
    webhook_id: Mapped[str] = mapped_column(ForeignKey(WebhookRow.id, ondelete="CASCADE"))
    event: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str]  # schemas.DeliveryStatus
    attempts: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # of the next attempt
    answered: Mapped[int | None]  # the last HTTP status
    error: Mapped[str | None]  # of the last attempt
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def get(session: Session, webhook_id: str) -> WebhookRow | None:
    """The webhook of this id."""
    return session.get(WebhookRow, webhook_id)


def webhooks() -> Select[WebhookRow]:
    """All webhooks."""
    return select(WebhookRow)


def count(session: Session) -> int:
    """How many webhooks there are."""
    return session.scalar(select(func.count()).select_from(WebhookRow)) or 0


def listening(session: Session, owner: str, event: str) -> list[str]:
    """The ids of an owner's webhooks that are told of an event."""
    rows = session.execute(select(WebhookRow.id, WebhookRow.events).where(WebhookRow.owner == owner))
    return [webhook_id for webhook_id, events in rows if event in events]


def deliveries(webhook_id: str) -> Select[DeliveryRow]:
    """What a webhook was told, and is to be told."""
    return select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)


def any_due(session: Session, at: datetime) -> bool:
    """Whether anything is to be sent by now."""
    query = exists().where(DeliveryRow.status == "pending", DeliveryRow.due_at <= at)
    return session.scalar(select(query)) or False


def due(session: Session, at: datetime, most: int) -> list[DeliveryRow]:
    """What is to be sent by now, the oldest first; without what another sender is about to take."""
    query = (
        select(DeliveryRow)
        .where(DeliveryRow.status == "pending", DeliveryRow.due_at <= at)
        .order_by(DeliveryRow.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query))


def forget_deliveries(session: Session, webhook_id: str, kept: int) -> None:
    """Forget what a webhook was told, sent or not, but for the newest `kept`."""
    ids = select(DeliveryRow.id).where(DeliveryRow.webhook_id == webhook_id).order_by(DeliveryRow.id.desc())
    if (first := session.scalar(ids.offset(kept).limit(1))) is not None:
        session.execute(
            delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id, DeliveryRow.id <= first)
        )
