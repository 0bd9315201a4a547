"""What can go wrong, as exceptions that can be told apart."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import httpx


class BackpropdError(Exception):
    """Base of all errors of this client."""


class Unreachable(BackpropdError):
    """The service did not answer, also not when it was asked again."""


class JobFailed(BackpropdError):
    """A job that was waited for has failed.

    `code` says why in a word, such as out_of_memory, and `detail` in a sentence.
    """

    def __init__(self, job_id: str, code: str, detail: str) -> None:
        super().__init__(job_id, code, detail)
        self.job_id = job_id
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"job {self.job_id} failed ({self.code}): {self.detail}"


class JobCancelled(BackpropdError):
    """A job that was waited for has been cancelled."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"job {self.job_id} was cancelled"


@dataclass(frozen=True)
class FieldError:
    """One field of a request that is wrong: a JSON pointer to it, and what is wrong."""

    pointer: str
    detail: str


class Problem(BackpropdError):
    """The service refused a request; its words as RFC 9457 has them.

    `status` is the HTTP status, `type` the kind of problem (stable), `detail` a sentence, `errors` the fields that
    are wrong, `retry_after` the seconds after which it may be tried again, where the service says so.
    """

    default_status: ClassVar[int] = 400

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        type: str = "about:blank",  # noqa: A002 - the field's name in RFC 9457
        instance: str = "",
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status or self.default_status
        self.type = type
        self.instance = instance
        self.errors = errors
        self.retry_after = retry_after

    def __str__(self) -> str:
        fields = [f"\n  {error.pointer or 'the body'}: {error.detail}" for error in self.errors]
        shown = fields if len(fields) > 1 else []  # a single one is what the sentence says already
        return f"{self.detail} (status {self.status})" + "".join(shown)


class Unauthorized(Problem):
    """No key, or none that is good."""

    default_status = 401


class Forbidden(Problem):
    """Not with this key."""

    default_status = 403


class NotFound(Problem, LookupError):
    """No such thing, or not yours."""

    default_status = 404


class Conflict(Problem):
    """Not in the state that it is in now."""

    default_status = 409


class TooLarge(Problem):
    """A body over the service's limit."""

    default_status = 413


class UnsupportedMediaType(Problem):
    """A format that the service does not read."""

    default_status = 415


class Invalid(Problem, ValueError):
    """A request that cannot work; `errors` says which fields are wrong."""

    default_status = 422


class TooManyRequests(Problem):
    """More than this key or owner may ask for; `retry_after` says when to try again."""

    default_status = 429


class ServerError(Problem):
    """The service could not do what it was asked, through no fault of the request."""

    default_status = 500


class NotInstalled(ServerError):
    """An optional part of the service is missing; the detail says how to install it."""

    default_status = 501


class Unavailable(ServerError):
    """The service is busy or on its way down or up."""

    default_status = 503


class StorageFull(ServerError):
    """The service's disk is full, or the owner's share of it."""

    default_status = 507


_KINDS: dict[int, type[Problem]] = {
    kind.default_status: kind
    for kind in (
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        UnsupportedMediaType,
        Invalid,
        TooManyRequests,
        NotInstalled,
        Unavailable,
        StorageFull,
    )
}


def problem_of(response: httpx.Response, retry_after: float | None = None) -> Problem:
    """The exception for an answer that says no; its body has been read."""
    status = response.status_code
    kind = _KINDS.get(status, ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Problem)
    said = _said(response)
    return kind(
        str(said.get("detail") or f"the service answered {status} {response.reason_phrase}"),
        status=status,
        type=str(said.get("type", "about:blank")),
        instance=str(said.get("instance", response.url.path)),
        errors=tuple(
            FieldError(str(error["pointer"]), str(error["detail"])) for error in said.get("errors", [])
        ),
        retry_after=retry_after,
    )


def _said(response: httpx.Response) -> dict[str, Any]:
    """The problem in the body; nothing where something between here and the service wrote the answer."""
    if "json" not in response.headers.get("content-type", ""):
        return {}
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
