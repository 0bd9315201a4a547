"""The outbox: what is to be told is written down in the transaction that makes it true: neither is without the other.

Sending comes after; a message may arrive twice, never not at all while it is tried.
"""

from typing import Any

from sqlalchemy.orm import Session

from app.database import now
from app.ids import new_id
from app.webhooks import store
from app.webhooks.schemas import Event
from app.webhooks.store import DeliveryRow

MOST_KEPT = 1000  # messages of one webhook, sent or not


def emit(session: Session, owner: str, event: Event, data: dict[str, Any]) -> None:
    """Have the owner's webhooks told of an event; `data` is JSON."""
    for webhook_id in store.listening(session, owner, event):
        at = now()
        session.add(
            DeliveryRow(
                id=new_id("msg"),
                owner=owner,
                webhook_id=webhook_id,
                event=event,
                payload={"type": event, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data},
                status="pending",
                attempts=0,
                due_at=at,
                created_at=at,
            )
        )
        session.flush()
        store.forget_deliveries(session, webhook_id, MOST_KEPT)
