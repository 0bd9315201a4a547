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
OF_PAGES = {
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Of HTML besides, the only thing here that has links, windows and scripts; each costs a prediction 3 us."""

_RAW, _RAW_OF_PAGES = (
    [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    for headers in (HEADERS, OF_PAGES)
)
_PAGE = (b"content-type", b"text/html; charset=utf-8")
_NAMES = frozenset(name for name, _ in _RAW)


class SecurityHeaders:
    """Adds what an answer lacks of `HEADERS`, and a page of `OF_PAGES` (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = message.get("headers", ())
                own = _NAMES.intersection([name for name, _ in there])
                missing = [header for header in _RAW if header[0] not in own] if own else _RAW
                message["headers"] = [*there, *missing, *(_RAW_OF_PAGES if _PAGE in there else ())]
            await send(message)

        await self.app(scope, receive, send_with_headers)
