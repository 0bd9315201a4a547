"""The quick way of a prediction: a few plain records for a model that answers in less than a millisecond.

It lies between the gate and the router and calls the model in the event loop, without routing, a thread, a query or a
data frame, which together take many times as long as the model. What it does not take, above all whatever is wrong,
goes the route's way; where it answers, the answer is that of the route, byte for byte.

Requests are not gathered into batches: of the 350 us of processor that one takes, a network of 64 + 64 units is 8, so
gathering could save no more (measured; HTTP is most of the rest).
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.dependencies import Context, FoundModel
from app.predictions.routes import router
from app.problems import NotFound
from app.strict_json import parse

if TYPE_CHECKING:
    from engine.ensemble import AnyModel  # imports polars, which the service's start must not wait for

QUICK_BYTES = 64 << 10
QUICK_ROWS = 16
QUICK_SECONDS = 1e-3  # that a model may take, during which nobody else is answered

_PATH = re.compile(r"/v1/models/([^/]{1,200})/predict")
_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8"})


class QuickPredictions:
    """Answers what is quick, and passes on the rest (ASGI)."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._questions: dict[tuple[str, str], asyncio.Future[FoundModel | None]] = {}
        self._route = next(
            route for route in router.routes if isinstance(route, APIRoute) and route.name == "predict"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on with a body that can be read from its start."""
        ref = _quick_ref(scope)
        found = None if ref is None else await self._resolved(scope["caller"].owner, ref)
        model = None if found is None else self._context.loaded.peek(found.id)
        if found is None or model is None or model.seconds_a_row > QUICK_SECONDS:
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        answer = _answer(found, model, await body.read())
        if answer is None:
            await self._app(scope, body.receive, send)
            return
        scope["route"] = self._route  # whose name the metrics tell
        length = str(len(answer)).encode()
        headers = [(b"content-length", length), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _resolved(self, owner: str, ref: str) -> FoundModel | None:
        """The model that is meant, asked of the database once after each change of it.

        Many may wait for one question, and all wake in the same turn of the event loop: one after the other, each a
        turn later, the last of 32 would wait for a second. What it found is remembered with the state of the database,
        so whoever came since a change asks anew. None: the route is to find out.
        """
        while True:
            known, _ = self._context.named.get((owner, ref))
            if known is not None or not len(self._context.loaded):
                return known
            question = self._questions.get((owner, ref))
            if question is None:
                question = asyncio.ensure_future(run_in_threadpool(self._asked, owner, ref))
                self._questions[owner, ref] = question
                question.add_done_callback(lambda _: self._questions.pop((owner, ref)))
                return await asyncio.shield(question)
            if await asyncio.shield(question) is None:
                return None

    def _asked(self, owner: str, ref: str) -> FoundModel | None:
        from app.predictions import service  # noqa: PLC0415 - it brings polars, and is there with the first model

        try:
            return service.resolved(self._context.of(owner), ref)
        except NotFound:
            return None


class _Body:
    """A request's body, which is read at once and may be read again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[Message] = []

    async def read(self) -> bytes:
        """All of it; what is not a body stays for who reads next."""
        parts, more = [], True
        while more:
            message = await self._receive()
            self._read.append(message)
            parts.append(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)
        return b"".join(parts)

    async def receive(self) -> Message:
        """What was read, from the start, and then what follows."""
        return self._read.pop(0) if self._read else await self._receive()


def _quick_ref(scope: Scope) -> str | None:
    """The model that a small JSON body is for; None for all else."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"]:
        return None
    match = _PATH.fullmatch(scope["path"])
    if match is None:
        return None
    sent = dict(scope["headers"])
    length = sent.get(b"content-length", b"")
    if b"content-encoding" in sent or sent.get(b"content-type", b"").lower() not in _TYPES:
        return None
    return match[1] if length.isdigit() and int(length) <= QUICK_BYTES else None


def _answer(found: FoundModel, model: "AnyModel", body: bytes) -> bytes | None:
    from app.predictions import service  # noqa: PLC0415 - as above
    from engine.encoding.record_encoder import NotPlain  # noqa: PLC0415 - likewise

    try:
        records = _records(parse(body.decode()), model)
        if records is None:
            return None
        answers = service.predict_plain(found, model, records)
    except (UnicodeDecodeError, json.JSONDecodeError, NotPlain):
        return None
    return to_json(answers, inf_nan_mode="null")


def _records(sent: object, model: "AnyModel") -> Sequence[Mapping[str, object]] | None:
    """The records of a body that is as `PredictRequest` wants it, if they are few."""
    if type(sent) is not dict or len(sent) != 1:
        return None
    [(key, rows)] = sent.items()
    if type(rows) is not list or not 0 < len(rows) <= QUICK_ROWS:
        return None
    if key == "records" and all(type(row) is dict for row in rows):
        return rows
    if key == "inputs" and all(type(row) is list for row in rows):
        return [model.plain_records.named(row) for row in rows]
    return None
