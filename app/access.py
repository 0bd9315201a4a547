"""Who asks, and what a route needs of them: the words that routes, sessions and the gate share.

A route that says nothing needs a key: `read` for GET and HEAD, `write` for all else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args

Scope = Literal["read", "write", "admin"]
"""What a key permits; each scope includes those before it."""

Counted = Literal["requests", "predictions"]
"""Which of a key's rates a request counts against."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
READING = frozenset({"GET", "HEAD", "OPTIONS"})

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """What a route asks of its caller; without a scope it is open to everybody."""

    scope: Scope | None
    counted: Counted = "requests"


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request acts."""

    owner: str
    scope: Scope | None
    key_id: str | None = None
    by_cookie: bool = False
    expires_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the caller's scope includes `scope`."""
        return self.scope is not None and SCOPES.index(self.scope) >= SCOPES.index(scope)


NOBODY = Caller(owner="-", scope=None)
"""Whoever asks an open route. The name is none that a key can have, so nothing is theirs."""

EVERYBODY = Caller(owner="", scope="admin")
"""Whoever asks while there are no keys."""


def needs(scope: Scope, *, counted: Counted = "requests") -> Callable[[Endpoint], Endpoint]:
    """Say of a route's function what it needs, where that does not follow from its method."""
    return _marked(Access(scope, counted))


def open_to_all(endpoint: Endpoint) -> Endpoint:
    """Say of a route's function that it answers without a key, since it tells no data."""
    return _marked(Access(None))(endpoint)


def access_of(endpoint: object, method: str) -> Access:
    """What a route's function needs; of one that has said nothing, and of no route, by method."""
    said = getattr(endpoint, "access", None)
    return said if isinstance(said, Access) else Access("read" if method in READING else "write")


def _marked(access: Access) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        vars(endpoint)["access"] = access
        return endpoint

    return mark
