"""A file that is read while another process still writes it."""

import os
import time
from pathlib import Path
from typing import Self

PAUSE_SECONDS = 0.005
STALL_SECONDS = 5.0


class Abandoned(Exception):
    """The file was deleted before its end, or nothing more comes."""


def end_of(path: Path) -> Path:
    """The file that says that the one at `path` has all its bytes."""
    return path.with_name(f"{path.name}.end")


class GrowingFile:
    """Reads to the end that the file will have, as a plain file is read that has it already: whole buffers till then.

    Raises `Abandoned` where the file is deleted meanwhile, and after `STALL_SECONDS` in which nothing came.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._end = end_of(path)
        self._position = 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, or less of it where the file ends; the number of bytes, 0 at the end."""
        self._wait(self._position + len(buffer))
        count = self._file.readinto(buffer)
        self._position += count
        return count

    def _wait(self, bytes_: int) -> None:
        """Until the file has so many bytes, or all that it will have."""
        seen, since = 0, time.monotonic()
        while True:
            state, now = os.fstat(self._file.fileno()), time.monotonic()
            if state.st_size > seen:
                seen, since = state.st_size, now
            if not state.st_nlink or now - since > STALL_SECONDS:
                raise Abandoned
            if state.st_size >= bytes_ or self._end.exists():
                return
            time.sleep(PAUSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
