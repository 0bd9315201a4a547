"""What a training may hold in memory, and where it puts what is more."""

import tempfile
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

import numpy as np

from engine.arrays import Array, Shape, size

SHARE = 8
"""Encoded rows of more than one part in so many of the memory are mapped from a file; so is a larger table."""


@dataclass(frozen=True)
class Room:
    """The memory and the disk of a training."""

    memory: int  # bytes that it may take in all
    folder: Path | None  # for files; None: the training is only planned

    def holds(self, bytes_: int) -> bool:
        """Whether so many bytes of rows are to be held in memory."""
        return bytes_ * SHARE <= self.memory


class RowFile:
    """Rows of float32 in a file without a name: the system removes it with the process, however that ends."""

    def __init__(self, folder: Path | None, shape: Shape) -> None:
        """Of rows of `shape`; in a folder of the system's if None."""
        self._shape = shape
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `mapped` closes it
        self._rows = 0

    def write(self, rows: Array) -> None:
        """Append rows (rows, ...) that hold as many numbers each as one of `shape`; raises `OSError`."""
        self._file.write(np.ascontiguousarray(rows, np.float32).data)
        self._rows += len(rows)

    def mapped(self) -> Array:
        """All rows (rows, *shape), of which the system keeps in memory what there is room for. The end of writing."""
        self._file.flush()
        count = self._rows * size(self._shape)
        with self._file:  # the map keeps what it shows
            return np.frombuffer(
                mmap(self._file.fileno(), 4 * count, access=ACCESS_READ), np.float32
            ).reshape(self._rows, *self._shape)
