"""The rules of webhooks."""

from sqlalchemy.orm import Session

from app.database import hold, now
from app.ids import new_id
from app.ownership import owner_of
from app.paging import Page, page
from app.problems import Conflict, Invalid, NotFound
from app.webhooks import signing, store
from app.webhooks.destinations import Destinations, NotAllowed
from app.webhooks.schemas import Delivery, NewWebhook, Webhook, WebhookRequest
from app.webhooks.store import DeliveryRow, WebhookRow

MOST_WEBHOOKS = 20  # of one owner


def create(session: Session, destinations: Destinations, request: WebhookRequest) -> NewWebhook:
    """Have an address told of events; raises `Invalid` where nothing may be sent there, and `Conflict` for too many."""
    try:
        destinations.check(request.url)
    except NotAllowed as error:
        raise Invalid.at("/url", str(error)) from None
    hold(session, f"webhooks of {owner_of(session)!r}")
    if store.count(session) >= MOST_WEBHOOKS:
        raise Conflict(f"there are {MOST_WEBHOOKS} webhooks, which is the most; delete one first")
    row = WebhookRow(
        id=new_id("whk"),
        url=request.url,
        events=list(dict.fromkeys(request.events)),
        note=request.note or "",
        secret=signing.new_secret(),
        created_at=now(),
    )
    session.add(row)
    session.flush()
    return NewWebhook.model_validate(row)


def listed(session: Session, *, limit: int, cursor: str | None) -> Page[Webhook]:
    """A page of webhooks."""
    return page(
        session, store.webhooks(), WebhookRow.id, limit=limit, cursor=cursor, view=Webhook.model_validate
    )


def get(session: Session, webhook_id: str) -> Webhook:
    """The webhook of this id, without its secret; raises `NotFound`."""
    return Webhook.model_validate(_row(session, webhook_id))


def delete(session: Session, webhook_id: str) -> None:
    """Forget a webhook and what it was not told yet; raises `NotFound`."""
    session.delete(_row(session, webhook_id))


def deliveries(session: Session, webhook_id: str, *, limit: int, cursor: str | None) -> Page[Delivery]:
    """A page of what a webhook was told and is to be told; raises `NotFound`."""
    query = store.deliveries(_row(session, webhook_id).id)
    return page(session, query, DeliveryRow.id, limit=limit, cursor=cursor, view=Delivery.model_validate)


def _row(session: Session, webhook_id: str) -> WebhookRow:
    row = store.get(session, webhook_id)
    if row is None:
        raise NotFound(f"there is no webhook {webhook_id[:100]}")
    return row
