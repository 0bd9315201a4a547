"""The seconds of a training, over all its runs."""

import time


class Stopwatch:
    """Counts by the wall clock while it runs."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._before = 0.0

    def start(self, seconds: float = 0.0) -> None:
        """Run on from `seconds`."""
        self._since, self._before = time.perf_counter(), seconds

    def stop(self) -> None:
        """Stand still."""
        self._before, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """How many it has counted."""
        return self._before + (0.0 if self._since is None else time.perf_counter() - self._since)
