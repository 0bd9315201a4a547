"""Operations as steps, so that they are written once for both clients.

An operation is a generator. It yields what it needs done and is sent what came of it; a client does the steps,
waiting for each with or without asyncio, and returns what the generator returns.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast
from uuid import uuid4

import httpx

from backpropd_client.errors import BackpropdError

Result = TypeVar("Result")

JSON = "application/json"
SAFE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Requests that come to the same whether they are sent once or twice (RFC 9110, 9.2.2)."""


@dataclass(frozen=True)
class Request:
    """A request to send; its outcome is an `httpx.Response` with its body read.

    The body is `json`, or the file `body`, which is streamed. `save_to` is a file that a good answer is written to.
    `repeatable`: whether it may be sent again when nobody knows what became of it. `seconds`: how long the answer
    may take; left out, as long as the client allows.
    """

    method: str
    path: str
    params: Mapping[str, str | int | float | None] = field(default_factory=dict)
    json: Any = None
    body: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    save_to: Path | None = None
    repeatable: bool = False
    seconds: float | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether sending it twice does no harm."""
        return self.repeatable or self.method in SAFE_METHODS or "Idempotency-Key" in self.headers


@dataclass(frozen=True)
class Wait:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Call something that computes or writes for a while; its outcome is what that returns."""

    call: Callable[[], object]


Step: TypeAlias = Request | Wait | Work
Steps: TypeAlias = Generator[Step, Any, Result]


def sent(request: Request) -> Steps[httpx.Response]:
    """Send a request; the good answer to it."""
    return cast("httpx.Response", (yield request))


def asked(request: Request) -> Steps[dict[str, Any]]:
    """Send a request; the JSON object that answers it."""
    return dict((yield from sent(request)).json())


def told(request: Request) -> Steps[Any]:
    """Send a request; whatever JSON answers it, or None."""
    response = yield from sent(request)
    return response.json() if response.content else None


def attempted(steps: Steps[Result]) -> Steps[Result | BackpropdError]:
    """What an operation comes to, or its error, where something is to be done before that is raised."""
    try:
        return (yield from steps)
    except BackpropdError as error:
        return error


def worked(call: Callable[[], Result]) -> Steps[Result]:
    """Call something that takes a while; what it returns."""
    return cast("Result", (yield Work(call)))


def creating(key: str | None = None) -> dict[str, str]:
    """Headers of a POST that creates: with a key, of one's own or a new one, sending it twice creates once."""
    return {"Idempotency-Key": key or uuid4().hex}
