"""Bodies in memory, bounded, and JSON and queries read strictly."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.problems import Invalid, TooLarge, to_pointer
from app.strict_json import parse

COUNTED_HERE = sys.maxsize
"""`max_body_size` of a route that counts by itself what comes."""
OVER_LIMIT = "the body is larger than this route takes"


async def bounded(request: Request, limit: int, over: str = OVER_LIMIT) -> AsyncIterator[bytes]:
    """The body as it comes; raises `TooLarge` with the words `over` beyond so many bytes, announced or not."""
    left = limit
    if int(request.headers.get("content-length", 0)) > limit:
        raise TooLarge(over)
    async for chunk in request.stream():
        left -= len(chunk)
        if left < 0:
            raise TooLarge(over)
        yield chunk


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


class StrictJsonRoute(APIRoute):
    """A route that reads its JSON strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Hand the route a strict request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


class StrictRoute(StrictJsonRoute):
    """A route that also refuses a query parameter that it does not know beside those that it has.

    A misspelt one would do nothing, and nobody would be told.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Look at the names in the query first."""
        handler = super().get_route_handler()
        known = frozenset(_query_names(self.dependant))
        if not known:
            return handler

        async def strict(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    raise Invalid.at(
                        to_pointer(("query", name[:100])),
                        f"unknown query parameter; allowed are {', '.join(sorted(known))}",
                    )
            return await handler(request)

        return strict


def _query_names(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        form = parameter.field_info.annotation
        if isinstance(form, type) and issubclass(form, BaseModel):  # a whole query in one class
            yield from (field.alias or name for name, field in form.model_fields.items())
        else:
            yield parameter.alias
    for below in dependant.dependencies:
        yield from _query_names(below)
