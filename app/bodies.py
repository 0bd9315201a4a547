"""Bodies in memory: bounded, and JSON read strictly."""

import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.problems import TooLarge
from app.strict_json import parse

COUNTED_HERE = sys.maxsize
"""`max_body_size` of a route that counts by itself what comes."""
OVER_LIMIT = "the body is larger than this route takes"


async def bounded_body(request: Request, limit: int) -> bytes:
    """The whole body; raises `TooLarge` beyond so many bytes."""
    body = bytearray()
    if int(request.headers.get("content-length", 0)) > limit:
        raise TooLarge(OVER_LIMIT)
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(OVER_LIMIT)
    return bytes(body)


class StrictRequest(Request):
    """A request whose JSON is read by `parse`."""

    async def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body, parsed; UTF-8 alone is JSON (RFC 8259)."""
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = parse(body.decode())
            except UnicodeDecodeError as error:
                raise json.JSONDecodeError("not UTF-8", "", error.start) from None
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its JSON strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Hand the route a strict request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict
