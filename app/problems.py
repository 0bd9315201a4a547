"""Domain errors. Services raise them; app/errors.py renders them; neither HTTP nor tables are known here.

Each names what is wrong, where (a JSON pointer into the request as sent) and what is allowed.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from pydantic import BaseModel, Field

from engine.spec import InvalidSpec, Path


class FieldError(BaseModel):
    """One field of the request that is wrong."""

    pointer: str = Field(description="JSON pointer into the request as sent.", examples=["/layers/0/units"])
    detail: str = Field(description="What is wrong and what is allowed.")


def to_pointer(path: Path) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


class Problem(Exception):
    """A request that cannot be understood; base of all errors that reach a client."""

    status: ClassVar[int] = 400
    code: str = "bad_request"
    headers: Mapping[str, str] = MappingProxyType({})  # of the answer

    def __init__(
        self,
        detail: str,
        errors: Sequence[FieldError] = (),
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.code = code or self.code
        self.headers = headers or self.headers


class Unauthorized(Problem):
    """No key, or none that is good."""

    status = 401
    code = "unauthorized"


class Forbidden(Problem):
    """Not from there, or not with this key."""

    status = 403
    code = "forbidden"


class NotFound(Problem):
    """No such thing, or not yours."""

    status = 404
    code = "not_found"


class SlowClient(Problem):
    """The request came in, or was waited for, too slowly."""

    status = 408
    code = "slow_client"


class Conflict(Problem):
    """Not in the state that it is in now."""

    status = 409
    code = "conflict"


class TooLarge(Problem):
    """A body over its limit."""

    status = 413
    code = "too_large"


class TargetTooLong(Problem):
    """An address over its limit."""

    status = 414
    code = "target_too_long"


class UnsupportedMediaType(Problem):
    """A body in a format that this route does not read."""

    status = 415
    code = "unsupported_media_type"


class Invalid(Problem):
    """A request that is well formed but cannot work."""

    status = 422
    code = "invalid"

    @classmethod
    def at(cls, pointer: str, detail: str, *, code: str | None = None) -> "Invalid":
        """One field is to blame."""
        return cls(detail, [FieldError(pointer=pointer, detail=detail)], code=code)

    @classmethod
    def spec(cls, error: InvalidSpec, *under: str | int) -> "Invalid":
        """The engine refused a spec that stands at `under` in the request."""
        error = error.under(*under)
        return cls.at(to_pointer(error.path), error.detail)


class HeadersTooLarge(Problem):
    """Headers that are too many or too long."""

    status = 431
    code = "headers_too_large"


class TooMany(Problem):
    """More than one key or owner may ask for; try again later."""

    status = 429
    code = "too_many"


class NotInstalled(Problem):
    """An optional part of the service that is not there; the detail says how to install it."""

    status = 501
    code = "not_installed"


class Busy(Problem):
    """Try again in a moment."""

    status = 503
    code = "busy"
    headers = MappingProxyType({"Retry-After": "1"})


class UnknownVersion(Problem):
    """A version of HTTP that is not spoken here."""

    status = 505
    code = "unknown_version"


class StorageFull(Problem):
    """The disk is full, or the owner's share of it."""

    status = 507
    code = "storage_full"
