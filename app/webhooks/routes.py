"""The HTTP of webhooks."""

from fastapi import APIRouter, Response

from app.bodies import StrictRoute
from app.dependencies import ReadSessionDep, SettingsDep, WriteSessionDep
from app.errors import problems
from app.paging import Cursor, Limit, Page
from app.problems import Busy, Conflict, Invalid, NotFound, StorageFull, TooLarge, UnsupportedMediaType
from app.webhooks import service
from app.webhooks.schemas import Delivery, NewWebhook, Webhook, WebhookRequest

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=StrictRoute)


@router.post(
    "",
    summary="Make a webhook",
    status_code=201,
    responses=problems(Conflict, Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
)
def create_webhook(
    request: WebhookRequest, session: WriteSessionDep, settings: SettingsDep, response: Response
) -> NewWebhook:
    """Have an address told of events by signed POST requests, as Standard Webhooks has them.

    The answer is the only place where the secret ever stands, hence no `Idempotency-Key` here. Check
    `webhook-signature` with it and refuse old `webhook-timestamp`s; answer with 2xx within 10 seconds, else the message
    comes again, 8 times in about 9 hours. Only hosts of the setting `webhook_allowed_hosts` are sent to.
    """
    webhook = service.create(session, settings.destinations, request)
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    return webhook


@router.get("", summary="List webhooks", responses=problems(Invalid))
def list_webhooks(session: ReadSessionDep, limit: Limit = 20, cursor: Cursor = None) -> Page[Webhook]:
    """Webhooks, newest first, without their secrets."""
    return service.listed(session, limit=limit, cursor=cursor)


@router.get("/{webhook_id}", summary="Get a webhook", responses=problems(NotFound))
def get_webhook(webhook_id: str, session: ReadSessionDep) -> Webhook:
    """A webhook, without its secret."""
    return service.get(session, webhook_id)


@router.delete(
    "/{webhook_id}",
    summary="Delete a webhook",
    status_code=204,
    responses=problems(NotFound, Busy, StorageFull),
)
def delete_webhook(webhook_id: str, session: WriteSessionDep) -> None:
    """Forget a webhook, and what it was not told yet."""
    service.delete(session, webhook_id)


@router.get(
    "/{webhook_id}/deliveries", summary="List a webhook's messages", responses=problems(NotFound, Invalid)
)
def list_deliveries(
    webhook_id: str, session: ReadSessionDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[Delivery]:
    """What a webhook was told and is to be told, newest first; the last 1,000 messages."""
    return service.deliveries(session, webhook_id, limit=limit, cursor=cursor)
