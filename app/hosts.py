"""Which hosts are answered: protection of a service that listens on loopback.

A page on the internet can make the browser of somebody who runs the service send requests to it. By DNS
rebinding the page gives its own name the address 127.0.0.1, so that the browser takes the service for the
page's own origin; the Host header still holds the page's name. By cross-site request forgery it posts to
the service blindly; the Origin header holds the page's origin. Both are refused here.
"""

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import render
from app.problems import Forbidden

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


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
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(hosts[0]) not in self.hosts:
            return Forbidden(
                f"the Host {', '.join(hosts)[:100]!r} is not answered here; add its name to allowed_hosts",
                code="forbidden_host",
            )
        origin = headers.get("origin")
        if (
            scope["method"] in SAFE
            or origin is None
            or origin.lower().partition("://")[2] == hosts[0].lower()
        ):
            return None
        return Forbidden(
            f"a page of the origin {origin[:100]!r} must not change anything here", code="forbidden_origin"
        )


def _name(host: str) -> str:
    """The name in a Host header or a setting: without a port, brackets or a last dot, in small letters."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return (name if name and ":" not in name and port.isdigit() else host).removesuffix(".")
