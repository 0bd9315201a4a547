"""JSON bodies, read strictly."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.strict_json import parse


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
