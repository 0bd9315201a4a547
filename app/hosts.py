"""Which hosts are answered: protection of a service that listens on loopback.

A page on the internet can make the browser of somebody who runs the service send requests to it. By DNS
rebinding the page gives its own name the address 127.0.0.1, so that the browser takes the service for the
page's own origin; the Host header still holds the page's name. By cross-site request forgery it posts to
the service blindly; the Origin header holds the page's origin. Both are refused here.

Only the Host header counts: X-Forwarded-Host and the like are what anybody may send.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import render
from app.problems import Forbidden

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = frozenset({"same-origin", "none"})

_LOOKED_AT = frozenset({b"host", b"origin", b"sec-fetch-site"})
_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]{1,5})?")


class TrustedHosts:
    """Refuses requests to other host names, and changes asked for by other sites' pages (ASGI middleware)."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = frozenset(_name(host) for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is foreign with a problem, pass on the rest."""
        problem = self._problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self.app(scope, receive, send)
        else:
            await render(Request(scope), problem)(scope, receive, send)

    def _problem(self, scope: Scope) -> Forbidden | None:
        headers = [header for header in scope["headers"] if header[0] in _LOOKED_AT]
        hosts = _of(headers, b"host")
        if len(hosts) != 1 or _name(hosts[0]) not in self.hosts:
            return Forbidden(
                f"the Host {', '.join(hosts)[:100]!r} is not answered here; add its name to allowed_hosts",
                code="forbidden_host",
            )
        if scope["method"] in SAFE:
            return None
        origins = _of(headers, b"origin")
        own = own_origins(hosts[0]) if origins else frozenset()
        foreign = [origin for origin in origins if origin.lower() not in own]
        # A browser's own word, which it sends even where it leaves the Origin out.
        site = next(iter(_of(headers, b"sec-fetch-site")), "none")
        if not foreign and site in OWN_SITES:
            return None
        return Forbidden(
            f"a page of the origin {', '.join(foreign or [site])[:100]!r} must not change anything here",
            code="forbidden_origin",
        )


def own_origins(host: str) -> frozenset[str]:
    """The origins that a page of this service has, by the Host header, in small letters."""
    return frozenset(f"{scheme}://{host.lower()}" for scheme in ("http", "https"))


def _of(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    """Every value of a header, by its name in small letters."""
    return [value.decode("latin-1") for name, value in headers if name == wanted]


@lru_cache
def _name(host: str) -> str:
    """The name in a Host header or a setting: without a port, brackets or a last dot, in small letters.

    What is no name with a port stays as it is, which no setting holds.
    """
    host = host.strip(" ").lower()
    match = _HOST.fullmatch(host)
    if match is None:
        return host
    return match["address"] or match["name"].removesuffix(".")
