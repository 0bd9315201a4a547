"""Domain errors. Services raise them; app/errors.py renders them; neither HTTP nor tables are known here.

Each names what is wrong, where (a JSON pointer into the request as sent) and what is allowed.
"""

from collections.abc import Sequence
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
    """Base of all errors that reach a client."""

    status: ClassVar[int] = 400
    code: str = "bad_request"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str, errors: Sequence[FieldError] = (), *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.code = code or self.code


class Forbidden(Problem):
    """Not from there."""

    status = 403
    code = "forbidden"


class NotFound(Problem):
    """No such thing, or not yours."""

    status = 404
    code = "not_found"


class Conflict(Problem):
    """Not in the state that it is in now."""

    status = 409
    code = "conflict"


class TooLarge(Problem):
    """A body over its limit."""

    status = 413
    code = "too_large"


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


class Busy(Problem):
    """Try again in a moment."""

    status = 503
    code = "busy"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class StorageFull(Problem):
    """The disk is full."""

    status = 507
    code = "storage_full"
