"""The children of `backpropd serve`, training workers and further API processes: kept running, and ended with it."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from app.settings import Settings

LOOK_SECONDS = 0.25
FIRST_DELAY = 1.0  # seconds before a worker that has ended is replaced; doubled each time that one ends soon
LONGEST_DELAY = 30.0
HEALTHY_SECONDS = 60.0  # a worker that lived so long had no trouble with its start

logger = logging.getLogger(__name__)


class Backoff:
    """How long to wait before the next start, by how long the last one held."""

    def __init__(self) -> None:
        self._delay = FIRST_DELAY

    def after(self, lived: float) -> float:
        """Seconds to wait now that a worker has ended which lived for `lived` seconds."""
        if lived >= HEALTHY_SECONDS:
            self._delay = FIRST_DELAY
        delay = self._delay
        self._delay = min(delay * 2, LONGEST_DELAY)
        return delay


class _Place:
    """One child, and whoever follows on it."""

    def __init__(self, command: list[str], environment: dict[str, str], passed: Sequence[int]) -> None:
        self._command = command
        self._environment = environment
        self._passed = passed
        self._backoff = Backoff()
        self._start_at: float | None = None
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            self._command, env=self._environment, pass_fds=self._passed
        )
        self._started = time.monotonic()

    def look(self) -> None:
        """Replace the child if it has ended, after a while."""
        if self.process.poll() is None:
            return
        now = time.monotonic()
        if self._start_at is None:
            delay = self._backoff.after(now - self._started)
            self._start_at = now + delay
            logger.error(
                "a child process ended; starting another",
                extra={"exit_code": self.process.returncode, "in_seconds": delay},
            )
        elif now >= self._start_at:
            self._start_at = None
            self._start()

    def end(self, deadline: float) -> None:
        """Wait for the child to end by itself; see to it once it is `deadline`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(deadline - time.monotonic(), 0))
        self.process.kill()
        self.process.wait()


def workers(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Keep `settings.workers` workers running; end them at the end."""
    return _kept(settings, settings.workers, ["worker"])


def api_processes(settings: Settings, listening: int) -> contextlib.AbstractContextManager[None]:
    """Likewise the processes that answer beside this one, from the listening socket of this descriptor."""
    command = ["api", "--listening", str(listening)]
    return _kept(settings, settings.api_processes - 1, command, (listening,))


@contextlib.contextmanager
def _kept(
    settings: Settings, count: int, arguments: Sequence[str], passed: Sequence[int] = ()
) -> Iterator[None]:
    """Keep so many processes running, each `backpropd` with these arguments.

    They hold the read end of a pipe: when this process dies, however it does, they see it close.
    """
    lifeline, held = os.pipe()
    command = [sys.executable, "-m", "app.cli", *arguments, "--lifeline", str(lifeline)]
    environment = {**os.environ, **settings.environment()}
    places = [_Place(command, environment, (lifeline, *passed)) for _ in range(count)]
    stopping = threading.Event()

    def supervise() -> None:
        while not stopping.wait(LOOK_SECONDS):
            for place in places:
                place.look()

    supervisor = threading.Thread(target=supervise, daemon=True)
    supervisor.start()
    try:
        yield
    finally:
        stopping.set()
        supervisor.join()
        os.close(held)  # the children stop
        deadline = time.monotonic() + settings.grace_seconds
        for place in places:
            place.end(deadline)
        os.close(lifeline)
