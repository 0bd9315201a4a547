"""A job's events (server-sent events), followed across broken connections."""

import json
import math
import time
from dataclasses import dataclass, replace
from typing import Any

import httpx

from backpropd_client.core.retries import PASSING, Outcome, Retries, error_of

SILENCE_SECONDS = 45.0
"""The service sends something every 15 s; after this long without, the connection is taken for dead."""
PATIENCE = 4
"""How many times more often than other requests a connection is tried again: a job is worth waiting for a restart."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: `status`, `epoch` with new points of its history, `finding`, `log`, `done`."""

    id: str
    kind: str
    data: dict[str, Any]


class Following:
    """How far a job's events have been read, over any number of connections.

    Each connection begins after the last event that was read in full (Last-Event-ID), so none is missed or seen twice.
    """

    def __init__(self, job_id: str, retries: Retries, seconds: float | None) -> None:
        """`seconds`: the time after which `TimeoutError` is raised; None for never."""
        self.done = False
        self._path = f"/v1/jobs/{job_id}/events"
        self._retries = replace(retries, more=retries.more * PATIENCE)
        self._end = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self._last = ""
        self._failures = 0
        self._fields: dict[str, str] = {}

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request of the next connection."""
        self._fields = {}
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self._last} if self._last else {})
        timeout = http.timeout.as_dict() | {"read": min(SILENCE_SECONDS, self._left())}
        return http.build_request("GET", self._path, headers=headers, timeout=httpx.Timeout(**timeout))

    def feed(self, line: str) -> Event | None:
        """Take a line of the stream; the event that it ends, if it ends one. Raises `TimeoutError`."""
        self._left()
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")  # the service writes an event's data in one line
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        event = Event(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))
        self._last = event.id or self._last
        self._failures = 0
        self.done = event.kind == "done"
        return event

    def pause(self, outcome: Outcome | None) -> float:
        """Seconds to wait before the next connection, after the last one ended or could not be made.

        Raises `Problem`, `Unreachable` after several in a row that brought nothing, and `TimeoutError`.
        """
        left = self._left()
        self._failures += 1
        refused = isinstance(outcome, httpx.Response) and outcome.status_code not in PASSING
        pause = None if refused else self._retries.pause(self._failures, outcome)
        if pause is not None:
            return min(pause, left)
        raise error_of(outcome or httpx.RemoteProtocolError("the stream of events ended before the job did"))

    def _left(self) -> float:
        """Seconds until the end; raises `TimeoutError` where there are none."""
        left = math.inf if self._end is None else self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the job has not ended within {self._seconds:g} s; it goes on")
        return left
