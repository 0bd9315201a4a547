"""Does the steps of operations, one after the other."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, TypeVar

import httpx

from backpropd_client.core.events import Event, Following
from backpropd_client.core.http import built, options, replacing
from backpropd_client.core.retries import Outcome, Retries, reliably
from backpropd_client.core.steps import Request, Step, Steps, Wait, Work

Result = TypeVar("Result")


class Doer:
    """Connections to a service, used for one request after the other; may be shared by threads."""

    def __init__(
        self,
        url: str | None,
        key: str | None,
        timeout: float,
        retries: Retries,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.retries = retries
        self.http = httpx.Client(**options(url, key, timeout), transport=transport)

    def run(self, steps: Steps[Result]) -> Result:
        """Do all steps; what the operation returns, or raises."""
        outcome: Any = None
        with closing(reliably(steps, self.retries)) as sure:
            while True:
                try:
                    step = sure.send(outcome)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                outcome = self._do(step)

    def events(self, following: Following) -> Iterator[Event]:
        """A job's events as they come."""
        while not following.done:
            outcome: Outcome | None = None
            try:
                response = self.http.send(following.request(self.http), stream=True)
                with closing(response):
                    if response.is_success:
                        for line in response.iter_lines():
                            if (event := following.feed(line)) is not None:
                                yield event
                    else:
                        response.read()
                        outcome = response
            except httpx.TransportError as error:
                outcome = error
            if not following.done:
                time.sleep(following.pause(outcome))

    def _do(self, step: Step) -> object:
        match step:
            case Wait():
                time.sleep(step.seconds)
                return None
            case Work():
                return step.call()
            case Request():
                try:
                    return self._send(step)
                except httpx.TransportError as error:
                    return error

    def _send(self, request: Request) -> httpx.Response:
        with ExitStack() as stack:
            file = None if request.body is None else stack.enter_context(request.body.open("rb"))
            response = self.http.send(built(self.http, request, file), stream=True)
            stack.enter_context(closing(response))
            if request.save_to is None or not response.is_success:
                response.read()
                return response
            with replacing(request.save_to) as target:
                for chunk in response.iter_bytes():
                    target.write(chunk)
            return response
