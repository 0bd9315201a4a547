"""Idempotency keys: the same POST sent twice creates once and is answered alike.

The stored answer is written in the transaction that creates. A second request with the key waits for the
first one's commit and then finds its answer: there is no moment at which a thing exists without its answer,
and none at which two equal requests both create.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import JSON, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base, UtcDateTime, hold, now
from app.ownership import Owned, owner_of
from app.problems import Invalid

KEPT = timedelta(hours=24)


class StoredAnswer(Owned, Base):
    """The answer to a POST that carried a key."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(primary_key=True, default="", server_default="")
    scope: Mapped[str] = mapped_column(primary_key=True)  # method, path and key
    request_sha256: Mapped[str]
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(JSON)
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Once:
    """Answers a creating POST, once for each key."""

    def __init__(self, scope: str | None, request_sha256: str) -> None:
        self.scope = scope
        self.request_sha256 = request_sha256

    def answer(
        self,
        session: Session,
        create: Callable[[], tuple[BaseModel, str]],
        *,
        status: int = 201,
        request_sha256: str | None = None,
    ) -> Response:
        """The answer stored under the key, or that of `create`, which gives the body and its location.

        `request_sha256` stands in for the body's hash where the body was streamed. Raises `Invalid`
        when the key came with another body before.
        """
        if self.scope is None:
            return _response(*_created(create), status)
        hold(session, f"{owner_of(session)} {self.scope}")
        session.execute(delete(StoredAnswer).where(StoredAnswer.created_at < now() - KEPT))
        stored = self.stored(session, request_sha256)
        if stored is not None:
            return stored
        body, headers = _created(create)
        session.add(
            StoredAnswer(
                scope=self.scope,
                request_sha256=self._sha256(request_sha256),
                status=status,
                headers=headers,
                body=body,
                created_at=now(),
            )
        )
        return _response(body, headers, status)

    def stored(self, session: Session, request_sha256: str | None = None) -> Response | None:
        """The answer stored under the key, if there is one: for a look before costly work.

        Raises `Invalid` as `answer` does.
        """
        stored = self.scope and session.get(StoredAnswer, (owner_of(session), self.scope))
        if not stored or stored.created_at < now() - KEPT:
            return None
        if stored.request_sha256 != self._sha256(request_sha256):
            raise Invalid(
                "this Idempotency-Key came with another request before; use a new key for a new request"
            )
        return _response(stored.body, stored.headers, stored.status)

    def _sha256(self, request_sha256: str | None) -> str:
        return hashlib.sha256(f"{self.request_sha256}{request_sha256 or ''}".encode()).hexdigest()


def _created(create: Callable[[], tuple[BaseModel, str]]) -> tuple[str, dict[str, str]]:
    body, location = create()
    return json.dumps(body.model_dump(mode="json")), {"Location": location}


def _response(body: str, headers: dict[str, str], status: int) -> Response:
    return Response(body, status, headers, "application/json")


_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text of your choice: sending the same request again with it creates nothing twice.",
    ),
]


async def _once(request: Request, key: _Key = None) -> Once:
    return _of(request, key, await request.body())


def _once_streamed(request: Request, key: _Key = None) -> Once:
    return _of(request, key, b"")


def _of(request: Request, key: str | None, body: bytes) -> Once:
    digest = hashlib.sha256(body + str(request.query_params).encode()).hexdigest()
    return Once(key and f"{request.method} {request.url.path} {key}", digest)


OnceDep = Annotated[Once, Depends(_once)]
StreamedOnceDep = Annotated[Once, Depends(_once_streamed)]
"""For a route that streams its body and so must not find it read; it gives its own `request_sha256`."""
