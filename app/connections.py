"""Connections whose clients are slow, or too many: they are cut, so that they cost the others nothing.

uvicorn arms a timer only between two requests. This is its HTTP protocol with deadlines for the rest:

- A request's headers have at most `slow_client_seconds` from the connection's start, or from their first byte.
- A body brings, and an answer is taken at, `MIN_RATE` bytes a second, measured over the same time.
- A connection that was answered before its body ended is closed after `LINGER_SECONDS`.

What waits for us counts for the client: a body that we do not read at the moment, an answer (such as a stream of
events) in which there is nothing to send.
"""

import asyncio
import logging
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.corked import CorkedTransport
from app.errors import MEDIA_TYPE, described
from app.problems import Busy, Problem, SlowClient
from app.security_headers import HEADERS
from app.settings import Settings

MIN_RATE = 1024  # bytes a second
LINGER_SECONDS = 30.0
DESCRIPTORS_OF_ONE = 3  # the socket, an upload's file and the lock of its folder
OTHER_DESCRIPTORS = 256  # the database, models, children

logger = logging.getLogger(__name__)


class Gate:
    """How many connections there are, in all and of each address."""

    def __init__(self, settings: Settings, limit: int) -> None:
        self.seconds = settings.slow_client_seconds
        self._limit = limit
        self._limit_of_address = settings.max_connections_per_address
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection, unless there are too many."""
        if self._open.total() >= self._limit or self._open[address] >= self._limit_of_address:
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One connection less."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class Timer:
    """One call to come, or none."""

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self._seconds = seconds
        self._call = call
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> bool:
        """Have the call come, if none is to come yet; whether that was so."""
        if self._handle is not None:
            return False
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._ring)
        return True

    def stop(self) -> None:
        """Have no call come."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        self._call()


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 with deadlines."""

    def __init__(self, *, gate: Gate, **uvicorn: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**uvicorn)
        self._gate = gate
        # Spread, so that a thousand connections that began together are not all cut in the same moment.
        self._seconds = gate.seconds * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
        self._address: str | None = None  # once it is counted
        self._headers = Timer(self._seconds, self._headers_too_slow)
        self._body = Timer(self._seconds, self._judge_body)
        self._linger = Timer(LINGER_SECONDS, self._abort)
        self._writing = Timer(self._seconds, self._judge_writing)
        self._received = 0  # bytes since the body's timer was started
        self._excused = False  # whether the client had to wait for us meanwhile
        self._unsent = 0  # bytes that waited when the timer for writing was started

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Count the connection; its first headers are due."""
        self._corked = CorkedTransport(transport, self.loop)
        super().connection_made(self._corked)
        address = str(self.client[0]) if self.client else ""
        if self._gate.enter(address):
            self._address = address
            self._headers.start()
        else:
            self._cut(Busy("there are too many connections; try again"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._headers, self._body, self._linger, self._writing):
            timer.stop()
        if self._address is not None:
            self._gate.leave(self._address)
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and see what is due next."""
        if self.transport.is_closing():
            return
        self._received += len(data)
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Send the answer, and see whether it is taken, and what is left of the body."""
        self._corked.flush()
        super().on_response_complete()
        self._watch()
        self._watch_writing()

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        super().resume_writing()
        self._writing.stop()
        if self.cycle is not None and self.cycle.response_complete:
            self._watch_writing()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP; called where h11's error is handled."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431:
            detail, code = "the headers are larger than 16 KiB", "headers_too_large"
        else:
            detail, code = f"this is no HTTP/1.1 request: {error}"[:200], "bad_request"
        self._cut(Problem(detail, code=code), status if status in {431, 501} else 400)

    def _watch(self) -> None:
        """Start the timers of what the client has begun, and stop the others."""
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.SEND_BODY:
            self._headers.stop()
            if self.cycle.response_complete:
                self._linger.start()
            if self._body.start():
                self._received, self._excused = 0, self._waits_for_us()
            return
        self._body.stop()
        self._linger.stop()
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._headers.start()
        elif self.conn.their_state is not h11.IDLE:
            self._headers.stop()

    def _waits_for_us(self) -> bool:
        return self.flow.read_paused or self.cycle.waiting_for_100_continue

    def _headers_too_slow(self) -> None:
        seconds = f"{self._gate.seconds:g} seconds"
        if self.conn.trailing_data[0]:
            self._cut(SlowClient(f"the headers did not come within {seconds}"))
        else:
            self.transport.close()  # a connection on which nothing was asked: there is nothing to answer

    def _judge_body(self) -> None:
        excused = self._excused or self._waits_for_us()
        if not excused and self._received < MIN_RATE * self._seconds:
            self._cut(SlowClient(f"the body came at less than {MIN_RATE:,} bytes a second"))
        else:
            self._watch()

    def _watch_writing(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._writing.start():
            self._unsent = unsent

    def _judge_writing(self) -> None:
        if self._unsent - self.transport.get_write_buffer_size() < MIN_RATE * self._seconds:
            logger.info("an answer was not taken", extra={"client": self.client})
            self._abort()
        else:
            self._watch_writing()

    def _cut(self, problem: Problem, status: int | None = None) -> None:
        """Answer, where no answer has begun, and close; the application sees a client that has gone."""
        status = status or problem.status
        logger.info("a connection was cut", extra={"client": self.client, "reason": problem.detail})
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._answer(problem, status)
        self.transport.close()  # once what was written is taken
        self._watch_writing()

    def _answer(self, problem: Problem, status: int) -> None:
        of_request = self.conn.our_state is h11.SEND_RESPONSE  # else its headers were not even read
        path = self.scope["path"] if of_request else ""
        body = described(problem, path, status).model_dump_json(exclude_none=True).encode()
        headers = {**HEADERS, **problem.headers, "Content-Type": MEDIA_TYPE, "Connection": "close"}
        listed = [*headers.items(), ("Content-Length", str(len(body)))]
        if of_request and self.scope["method"] == "HEAD":
            body = b""
        for event in (
            h11.Response(status_code=status, headers=listed),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")

    def _abort(self) -> None:
        self.transport.abort()


def guarded(settings: Settings) -> Callable[..., asyncio.Protocol]:
    """What uvicorn is to make of each connection (its option `http`)."""
    return partial(
        GuardedProtocol, gate=Gate(settings, min(settings.max_connections, _connections_that_fit()))
    )


def _connections_that_fit() -> int:
    """As many as the process may have descriptors for, once it has asked for all that it may get."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    return max((most - OTHER_DESCRIPTORS) // DESCRIPTORS_OF_ONE, 1)
