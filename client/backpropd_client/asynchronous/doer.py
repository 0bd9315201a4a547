"""Does the steps of operations with asyncio: what takes a while runs in a thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, closing
from typing import Any, BinaryIO, TypeVar

import httpx

from backpropd_client.core.events import Event, Following
from backpropd_client.core.http import CHUNK, built, options, replacing
from backpropd_client.core.retries import Outcome, Retries, reliably
from backpropd_client.core.steps import Request, Step, Steps, Wait, Work

Result = TypeVar("Result")


class AsyncDoer:
    """Connections to a service, shared by the tasks of one event loop."""

    def __init__(
        self,
        url: str | None,
        key: str | None,
        timeout: float,
        retries: Retries,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self.retries = retries
        self.http = httpx.AsyncClient(**options(url, key, timeout), transport=transport)

    async def run(self, steps: Steps[Result]) -> Result:
        """Do all steps; what the operation returns, or raises."""
        outcome: Any = None
        with closing(reliably(steps, self.retries)) as sure:
            while True:
                try:
                    step = sure.send(outcome)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                outcome = await self._do(step)

    async def events(self, following: Following) -> AsyncIterator[Event]:
        """A job's events as they come."""
        while not following.done:
            outcome: Outcome | None = None
            try:
                response = await self.http.send(following.request(self.http), stream=True)
                async with aclosing(response):
                    if response.is_success:
                        async for line in response.aiter_lines():
                            if (event := following.feed(line)) is not None:
                                yield event
                    else:
                        await response.aread()
                        outcome = response
            except httpx.TransportError as error:
                outcome = error
            if not following.done:
                await asyncio.sleep(following.pause(outcome))

    async def _do(self, step: Step) -> object:
        match step:
            case Wait():
                await asyncio.sleep(step.seconds)
                return None
            case Work():
                return await asyncio.to_thread(step.call)
            case Request():
                try:
                    return await self._send(step)
                except httpx.TransportError as error:
                    return error

    async def _send(self, request: Request) -> httpx.Response:
        async with AsyncExitStack() as stack:
            file = None if request.body is None else stack.enter_context(request.body.open("rb"))
            content = None if file is None else _chunks(file)
            response = await self.http.send(built(self.http, request, content), stream=True)
            await stack.enter_async_context(aclosing(response))
            if request.save_to is None or not response.is_success:
                await response.aread()
                return response
            with replacing(request.save_to) as target:
                async for chunk in response.aiter_bytes():
                    await asyncio.to_thread(target.write, chunk)
            return response


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        yield chunk
