"""The gate: the one place that decides whether a request may pass, before anything of its body is read.

It stands between the handlers of errors and the router, and asks the routes themselves what they need: a route,
method or mount that says nothing needs a key, and so does an address that no route answers.
"""

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from importlib import import_module

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import RouteContext, iter_route_contexts
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access import NOBODY, READING, Caller, access_of
from app.access import Scope as KeyScope
from app.audit import store as audit
from app.auth.identity import Refused, identify, touch
from app.auth.rates import Rates
from app.database import now
from app.dependencies import Context, asked_by
from app.hosts import own_origins
from app.problems import Forbidden, Problem
from app.remembered import Remembered

COOKIE = "backpropd_session"
CREDENTIALS = frozenset({b"authorization", b"cookie"})
MOST_ADDRESSES = 1000
TOUCH_SECONDS = 60.0  # between two notes of a key's use

logger = logging.getLogger(__name__)


class KeyGate:
    """Lets requests pass that may (ASGI, around the router)."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], context: Context) -> None:
        self._app = app
        self._declared = routes
        self._context = context
        self._callers: Remembered[Caller] = Remembered(context.database.version)  # by the hash of a header
        self._found: dict[tuple[str, str], tuple[RouteContext | None, bool]] = {}  # by method and path
        self._rates: Rates | None = None  # made when there is a key
        self._touched: dict[str, float] = {}  # by key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller in the scope, or raise the problem that it has."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._pass(scope, receive, send)
        else:
            raise RuntimeError(f"no route takes {scope['type']}")

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        route, answers = self._route(scope)
        access = access_of(route.endpoint if route and answers else None, scope["method"])
        if access.scope is None:
            scope["caller"] = NOBODY
            await self._app(scope, receive, send)
            return
        caller = await self._caller(scope, route)
        headers = {}
        if caller.key_id is not None:
            headers = (await self._counters()).count(access.counted, caller.key_id)
        if not caller.may(access.scope):
            await self._note(Request(scope), route, 403, caller.key_id, caller.owner)
            raise _too_small(caller, access.scope)
        scope["caller"] = caller

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers if headers else send)
        await self._touch(caller)

    def prepare(self) -> None:
        """Look at the routes now, which takes as long as a thousand requests."""
        _ = self.routes

    @cached_property
    def routes(self) -> list[RouteContext]:
        """Each with all that the routers around it add, once all are there."""
        return list(iter_route_contexts(self._declared))

    def _route(self, scope: Scope) -> tuple[RouteContext | None, bool]:
        """As `_find`, which takes a while, remembered for the addresses that are asked for again and again."""
        address = scope["method"], scope["path"]
        found = self._found.get(address)
        if found is None:
            if len(self._found) >= MOST_ADDRESSES:
                self._found.clear()
            found = self._found[address] = _find(self.routes, scope)
        return found

    async def _caller(self, scope: Scope, route: RouteContext | None) -> Caller:
        """Who asks: from memory as long as nothing has changed, so that a thread and a query are spared."""
        question = _credentials(scope)
        known, version = self._callers.get(question)
        if known is not None and (known.expires_at is None or known.expires_at > now()):
            return known
        caller = await self._asked_caller(Request(scope), route)
        if not caller.by_cookie:
            self._callers.keep(question, caller, version)
        return caller

    async def _asked_caller(self, request: Request, route: RouteContext | None) -> Caller:
        try:
            caller = await run_in_threadpool(
                identify,
                self._context.database,
                request.headers.get("authorization"),
                request.cookies.get(COOKIE),
            )
        except Refused as problem:
            address = request.client.host if request.client else ""
            (await self._counters()).count_failure(address)
            await self._note(request, route, problem.status, problem.key_id, problem.owner)
            raise
        if caller.by_cookie and request.method not in READING:
            _check_origin(request)
        return caller

    async def _counters(self) -> Rates:
        if self._rates is None:
            await run_in_threadpool(import_module, "limits")  # not in the event loop: it takes a while
        if self._rates is None:
            settings = self._context.settings
            self._rates = Rates(
                {"requests": settings.rate_per_minute, "predictions": settings.predictions_per_minute}
            )
        return self._rates

    async def _note(
        self, request: Request, route: RouteContext | None, status: int, key_id: str | None, owner: str | None
    ) -> None:
        """Write a refused attempt to the log of changes; where the database is busy, it is refused all the same."""
        asked = asked_by(request, (route and route.path) or "unknown", status, key_id, owner)

        def write() -> None:
            with self._context.database.write() as session:
                audit.append(session, asked)

        try:
            await run_in_threadpool(write)
        except DBAPIError:
            logger.warning("a refused attempt is not in the log of changes", extra={"client": asked.client})

    async def _touch(self, caller: Caller) -> None:
        """Note that a key is used, now and then, after the answer."""
        if (
            caller.key_id is None
            or time.monotonic() - self._touched.get(caller.key_id, -TOUCH_SECONDS) < TOUCH_SECONDS
        ):
            return
        self._touched[caller.key_id] = time.monotonic()
        try:
            await run_in_threadpool(touch, self._context.database, caller.key_id)
        except DBAPIError:
            del self._touched[caller.key_id]


def _credentials(scope: Scope) -> bytes:
    """What says who asks, of which memory shall hold no key: a hash. A cookie counts where there is no header."""
    sent = [part for header in scope["headers"] if header[0] in CREDENTIALS for part in header]
    return sha256(b"\0".join(sent)).digest()


def _find(routes: Sequence[RouteContext], scope: Scope) -> tuple[RouteContext | None, bool]:
    """The route that the router will take, and whether it answers this method or the address alone is its."""
    other_method = None
    for route in routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return route, True
        if match is Match.PARTIAL and other_method is None:
            other_method = route
    return other_method, False


def _check_origin(request: Request) -> None:
    """A cookie goes along with whatever a browser sends, so a change by cookie must say that our page asks for it."""
    if request.headers.get("origin", "").lower() not in own_origins(request.headers.get("host", "")):
        raise Forbidden(
            "a change with a session's cookie needs this service's own Origin", code="forbidden_origin"
        )


def _too_small(caller: Caller, needed: KeyScope) -> Problem:
    challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
    return Forbidden(
        f"this needs a key with the scope {needed}; the one that was sent has {caller.scope}",
        code="insufficient_scope",
        headers={"WWW-Authenticate": challenge},
    )
