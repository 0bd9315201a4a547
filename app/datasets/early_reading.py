"""Large delimited text is read while it is still on its way, so that little is left to do after its last byte."""

from asyncio import get_running_loop
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from anyio import CancelScope, CapacityLimiter, to_thread

from app.children import ChildFailed, call
from app.datasets.formats import DELIMITERS, FROM_BYTES, Format
from app.datasets.growing_file import end_of
from app.problems import Problem
from app.settings import Settings

FUNCTION = "app.datasets.runner:read_growing_table"


class EarlyReading:
    """The reading of one upload, which begins once enough has come if another reader is still free then.

    So nobody who sends slowly keeps others waiting. It gives up whatever it meets that it was not made for: the file
    is then read when it is whole, and says what is wrong with it.
    """

    def __init__(self, upload: Path, table: Path, settings: Settings, readers: CapacityLimiter) -> None:
        """`upload` is read to `table`; `readers`: the children that may read at the same time."""
        self._upload, self.table, self._settings, self._readers = upload, table, settings, readers
        self._pool = ThreadPoolExecutor(1, "early reading")
        self._answer: Future[dict[str, Any]] | None = None

    def arrived(self, bytes_: int, format_: Format | None) -> None:
        """So much of the upload is there."""
        if self._answer is not None or bytes_ < FROM_BYTES or format_ not in DELIMITERS:
            return
        if self._readers.available_tokens < 2:
            return
        self._readers.acquire_on_behalf_of_nowait(self)
        loop, release = get_running_loop(), partial(self._readers.release_on_behalf_of, self)
        self._answer = self._pool.submit(self._read, format_)
        self._answer.add_done_callback(lambda _: loop.call_soon_threadsafe(release))

    def _read(self, format_: Format) -> dict[str, Any]:
        seconds, memory = self._settings.read_seconds, self._settings.memory_budget
        try:
            return call(FUNCTION, self._upload, format_, self.table, seconds=seconds, memory=memory)
        except (ChildFailed, Problem):
            return {}

    def complete(self) -> None:
        """The last byte is there."""
        end_of(self._upload).touch()

    def report(self) -> dict[str, Any] | None:
        """The `TableReport` as JSON, once the upload is complete; None where the table has still to be read."""
        return (self._answer.result() or None) if self._answer else None

    async def aclose(self) -> None:
        """End a reading whose report nobody waits for any more."""
        if self._answer is not None:
            self._upload.unlink(missing_ok=True)  # what still reads it sees that it is gone
            with CancelScope(shield=True):
                await to_thread.run_sync(self._pool.shutdown)
