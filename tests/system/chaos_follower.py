"""A client that follows a job's events across every death of the service."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import httpx

from app.jobs.streaming import MAX_POINTS

PAUSE_SECONDS = 0.05  # before it asks again


class Follower(threading.Thread):
    """After each break it goes on behind the last event that it has whole."""

    def __init__(self, url: Callable[[], str], job_id: str) -> None:
        """`url`: where the service is now."""
        super().__init__(daemon=True)
        self._url, self._path = url, f"/v1/jobs/{job_id}/events"
        self._given_up = threading.Event()
        self.ids: list[int] = []
        self.epochs: list[int] = []
        self.done = False

    def run(self) -> None:
        while not self.done and not self._given_up.wait(PAUSE_SECONDS):
            headers = {"Last-Event-ID": str(self.ids[-1])} if self.ids else {}
            with (
                suppress(httpx.TransportError),
                httpx.stream("GET", self._url() + self._path, headers=headers, timeout=30) as stream,
            ):
                if stream.status_code == 200:
                    self._read(stream)

    def give_up(self) -> None:
        self._given_up.set()

    def faults(self, epochs: int) -> str | None:
        """What is wrong with all that it was told of a job of so many epochs."""
        if not self.done:
            return "the events have no end"
        if any(second <= first for first, second in pairwise(self.ids)):
            return f"events: the ids do not grow: {self.ids}"
        if self.epochs != list(range(1, epochs + 1)):
            return f"events: a gap or a repeat in {self.epochs} of {epochs}"
        return None

    def _read(self, stream: httpx.Response) -> None:
        """An event counts once the empty line behind it is there."""
        event: dict[str, str] = {}
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
                continue
            if "id" in event:
                self._take(**event)
            event = {}

    def _take(self, id: str, event: str, data: str) -> None:  # noqa: A002 - the field's name on the wire
        self.ids.append(int(id))
        if event == "epoch":
            told = [point["epoch"] for point in json.loads(data)["points"]]
            # What has fallen far behind is told in a thinned run, from its first epoch to its last.
            thinned = len(told) == MAX_POINTS and all(a < b for a, b in pairwise(told))
            self.epochs += range(told[0], told[-1] + 1) if thinned else told
        self.done = event == "done"
