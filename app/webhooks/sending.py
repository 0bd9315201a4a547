"""Sending what lies in the outbox: in a thread of each worker, at least once, with growing pauses, for a bounded time.

A message belongs for `TAKEN` to whoever takes it; of a sender that dies meanwhile another one takes it over.
"""

import asyncio
import json
import logging
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import httpx
from sqlalchemy.exc import DBAPIError

from app.database import Database, now
from app.settings import Settings
from app.webhooks import signing, store
from app.webhooks.destinations import Destinations, NotAllowed
from app.webhooks.store import DeliveryRow

POLL_SECONDS = 1.0
SECONDS = 10.0  # that one attempt may take in all
AT_ONCE = 10
TAKEN = timedelta(seconds=60)
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 7200, 21600))
"""Between an attempt and the next one; after the last of them it is given up."""
LONGEST_ERROR = 300

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Message:
    id: str
    url: str
    secret: str
    body: bytes


@dataclass(frozen=True)
class _Outcome:
    answered: int | None
    error: str | None  # None: it has arrived


class Sender(threading.Thread):
    """Sends what is due, until it is told to stop."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(name="webhooks", daemon=True)
        self._database = database
        self._destinations = settings.destinations
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look once a second."""
        while not self._stopping.wait(POLL_SECONDS):
            try:
                while send_due(self._database, self._destinations) == AT_ONCE:
                    pass
            except DBAPIError as error:
                logger.warning("webhooks wait for the database", extra={"reason": str(error.orig)})
            except Exception:  # the thread is the only one that this process has for it
                logger.exception("webhooks could not be sent")

    def stop(self) -> None:
        """End after what is being sent now."""
        self._stopping.set()


def send_due(database: Database, destinations: Destinations) -> int:
    """Send what is due, at most `AT_ONCE` messages, and write down what became of them; how many."""
    with database.read() as session:  # most looks find nothing, and take no writer's lock for it
        if not store.any_due(session, now()):
            return 0
    messages = _take(database)
    outcomes = asyncio.run(_send_all(messages, destinations))
    with database.write() as session:
        for message, outcome in zip(messages, outcomes, strict=True):
            row = session.get(DeliveryRow, message.id)
            if row is not None:  # its webhook was not deleted meanwhile
                _record(row, outcome)
    return len(messages)


def _take(database: Database) -> list[_Message]:
    with database.write() as session:
        rows = store.due(session, now(), AT_ONCE)
        messages = []
        for row in rows:
            row.attempts += 1
            row.due_at = now() + TAKEN
            webhook = session.get_one(store.WebhookRow, row.webhook_id)
            body = json.dumps(row.payload, separators=(",", ":")).encode()
            messages.append(_Message(row.id, webhook.url, webhook.secret, body))
    return messages


def _record(row: DeliveryRow, outcome: _Outcome) -> None:
    row.answered = outcome.answered
    row.error = None if outcome.error is None else outcome.error[:LONGEST_ERROR]
    if outcome.error is None:
        row.status, row.due_at, row.finished_at = "delivered", None, now()
    elif row.attempts > len(PAUSES):
        row.status, row.due_at, row.finished_at = "failed", None, now()
        logger.warning("a webhook was not told", extra={"message_id": row.id, "reason": row.error})
    else:
        row.due_at = now() + PAUSES[row.attempts - 1]


async def _send_all(messages: list[_Message], destinations: Destinations) -> list[_Outcome]:
    # No proxy and no password from the environment.
    async with httpx.AsyncClient(
        verify=_trusted(), trust_env=False, follow_redirects=False, timeout=SECONDS
    ) as client:
        return list(await asyncio.gather(*(_send(client, message, destinations) for message in messages)))


def _trusted() -> ssl.SSLContext:
    """The authorities of the internet, and those that this machine trusts besides: a company's own, mostly.

    SSL_CERT_FILE and SSL_CERT_DIR name them, as everywhere with OpenSSL.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


async def _send(client: httpx.AsyncClient, message: _Message, destinations: Destinations) -> _Outcome:
    try:
        async with asyncio.timeout(SECONDS):
            status = await _post(client, message, destinations)
    except TimeoutError:
        return _Outcome(None, f"it took longer than {SECONDS:g} seconds")
    except (NotAllowed, OSError, ValueError, httpx.HTTPError, httpx.InvalidURL) as error:
        return _Outcome(None, f"{type(error).__name__}: {error}")
    return _Outcome(status, None if 200 <= status < 300 else f"it was answered with {status}")


async def _post(client: httpx.AsyncClient, message: _Message, destinations: Destinations) -> int:
    """The status of the answer, whose body nobody reads.

    The connection goes to the address that was checked, not to the name, which may have another one by then.
    """
    parts = destinations.check(message.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = await asyncio.to_thread(destinations.resolve, host, port)
    url = httpx.URL(message.url).copy_with(host=address)
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "backpropd-webhooks/1",
        **signing.headers(message.secret, message.id, int(time.time()), message.body),
    }
    request = client.build_request(
        "POST", url, content=message.body, headers=headers, extensions={"sni_hostname": host}
    )
    answer = await client.send(request, stream=True)
    await answer.aclose()
    return answer.status_code
