"""What a request line and headers may hold, before anything looks at them."""

from urllib.parse import parse_qsl

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import render
from app.problems import HeadersTooLarge, Invalid, Problem, TargetTooLong, UnknownVersion, to_pointer

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 << 10  # where they come in one piece; of pieces no more than that is gathered
MAX_TARGET = 8 << 10  # bytes of path and query
ONCE = (
    b"authorization",
    b"content-encoding",
    b"content-type",
    b"idempotency-key",
    b"last-event-id",
    b"origin",
)


class RequestLimits:
    """Refuses requests that no honest client sends (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is over a limit, or means two things, with a problem; pass on the rest."""
        problem = _problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self.app(scope, receive, send)
        else:
            response = render(Request(scope), problem)
            response.headers["Connection"] = "close"  # where the body ends may be in doubt
            await response(scope, receive, send)


def _problem(scope: Scope) -> Problem | None:
    if scope["http_version"] not in {"1.0", "1.1"}:
        return UnknownVersion(f"this is HTTP/{scope['http_version']}; HTTP/1.1 is spoken here")
    return _size_problem(scope) or _address_problem(scope) or _framing_problem(scope)


def _size_problem(scope: Scope) -> Problem | None:
    if len(scope["headers"]) > MAX_HEADERS:
        return HeadersTooLarge(
            f"there are {len(scope['headers'])} headers; at most {MAX_HEADERS} are allowed"
        )
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        return HeadersTooLarge(f"the headers are larger than {MAX_HEADER_BYTES:,} bytes together")
    return None


def _address_problem(scope: Scope) -> Problem | None:
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET:
        return TargetTooLong(f"path and query are longer than {MAX_TARGET:,} bytes together")
    if "\0" in scope["path"]:
        return Invalid("the address holds a NUL, which no name here does")
    if b"%00" in scope["query_string"]:
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        name = next((name for name, value in pairs if "\0" in value), "")
        return Invalid.at(to_pointer(("query", name)), "it holds a NUL, which no text here does")
    return None


def _framing_problem(scope: Scope) -> Problem | None:
    """A header with two meanings, or a body whose end a proxy before us may see elsewhere (RFC 9112, 6.3)."""
    names = [name for name, _ in scope["headers"]]
    if len(set(names)) < len(names) and (
        twice := next((name for name in ONCE if names.count(name) > 1), None)
    ):
        return Problem(f"the header {twice.decode()} comes twice")
    if b"transfer-encoding" not in names:
        return None
    if b"content-length" in names:
        return Problem("a request has a Content-Length or a Transfer-Encoding, not both")
    if scope["http_version"] == "1.0":
        return Problem("HTTP/1.0 has no Transfer-Encoding")
    return None
