"""The headers that tell a browser what it must not do with an answer."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # An answer is data: whatever stands in it, nothing runs, loads or frames.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer; a page may bring a Content-Security-Policy and a Cache-Control of its own."""
PAGE_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Of a page besides. They rule what scripts and links do, of which data has none, and a header costs a small answer
one part in a hundred of its time."""

_RAW = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_NAMES = frozenset(name for name, _ in _RAW)


class SecurityHeaders:
    """Adds what an answer lacks of `HEADERS` (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = message.get("headers", ())
                own = _NAMES.intersection([name for name, _ in there])
                missing = [header for header in _RAW if header[0] not in own] if own else _RAW
                message["headers"] = [*there, *missing]
            await send(message)

        await self.app(scope, receive, send_with_headers)
