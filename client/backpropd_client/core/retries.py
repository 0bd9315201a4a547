"""Which requests are sent again, and after how long."""

import random
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import Any, TypeVar

import httpx

from backpropd_client.core.steps import Request, Step, Steps, Wait
from backpropd_client.errors import BackpropdError, Unreachable, problem_of

Result = TypeVar("Result")

Outcome = httpx.Response | httpx.TransportError
"""What becomes of a request."""

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Errors that happen before the service has seen anything of a request."""
PASSING = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers that another try may better."""


@dataclass(frozen=True)
class Retries:
    """How often and how patiently a request is sent again.

    The pause before the n-th further try is drawn between 0 and min(longest, first * 2^(n - 1)) seconds ("full
    jitter": M. Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015), and is no shorter than the
    service asks for with Retry-After. Where it asks for more than `longest_asked` seconds, the error is raised.
    """

    more: int = 4
    first: float = 0.25
    longest: float = 8.0
    longest_asked: float = 60.0

    def pause(self, tries: int, outcome: Outcome | None = None) -> float | None:
        """Seconds to wait after the last of `tries`; None where it is not to be tried again."""
        if tries > self.more:
            return None
        drawn = random.uniform(0, min(self.longest, self.first * 2 ** (tries - 1)))  # noqa: S311 - no secret
        asked = retry_after(outcome) or 0.0
        return None if asked > self.longest_asked else max(drawn, asked)


def retry_after(outcome: Outcome | None) -> float | None:
    """The seconds that an answer asks to wait (RFC 9110, 10.2.3: a number of them, or a date)."""
    said = outcome.headers.get("retry-after") if isinstance(outcome, httpx.Response) else None
    if said is None:
        return None
    try:
        return max(float(said), 0.0)
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max((then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def error_of(outcome: Outcome) -> BackpropdError:
    """What to raise where no further try is made."""
    if isinstance(outcome, httpx.Response):
        return problem_of(outcome, retry_after(outcome))
    error = Unreachable(f"{_place(outcome)} did not answer: {outcome or type(outcome).__name__}")
    error.__cause__ = outcome
    return error


def _place(error: httpx.TransportError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # of no request in particular
        return "the service"
    return f"the service at {url.scheme}://{url.netloc.decode()}"


def reliably(steps: Steps[Result], retries: Retries) -> Steps[Result]:
    """The same operation, whose requests are sent again where that is safe and of use.

    What cannot be had is raised within the operation, as `Problem` or `Unreachable`.
    """
    resume = partial(steps.send, None)
    with closing(steps):
        while True:
            try:
                step = resume()
            except StopIteration as end:
                result: Result = end.value
                return result
            try:
                outcome = (yield from _answered(step, retries)) if isinstance(step, Request) else (yield step)
            except BackpropdError as error:
                resume = partial(steps.throw, error)
            else:
                resume = partial(steps.send, outcome)


def _answered(request: Request, retries: Retries) -> Generator[Step, Any, httpx.Response]:
    for tries in count(1):
        outcome: Outcome = yield request
        if isinstance(outcome, httpx.Response) and (outcome.is_success or _gone(request, outcome, tries)):
            return outcome
        pause = retries.pause(tries, outcome) if _is_worth_it(request, outcome) else None
        if pause is None:
            raise error_of(outcome)
        yield Wait(pause)
    raise AssertionError("count never ends")


def _gone(request: Request, response: httpx.Response, tries: int) -> bool:
    """Whether an earlier try, whose answer was lost, has deleted it."""
    return request.method == "DELETE" and tries > 1 and response.status_code == HTTPStatus.NOT_FOUND


def _is_worth_it(request: Request, outcome: Outcome) -> bool:
    """Whether sending a request again may help and cannot harm."""
    if isinstance(outcome, httpx.Response):
        if outcome.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return True  # it was counted and refused before anything was done
        in_flight = outcome.status_code == HTTPStatus.CONFLICT and retry_after(outcome) is not None
        return request.may_repeat and (in_flight or outcome.status_code in PASSING)
    return request.may_repeat or isinstance(outcome, NOT_SENT)
