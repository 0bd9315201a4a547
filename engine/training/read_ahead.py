"""Telling the system which parts of a memory map are read next, so that the disk works while we compute."""

import mmap

import numpy as np

from engine.arrays import Array

_HINT = getattr(mmap, "MADV_WILLNEED", None)  # not on every system


class ReadAhead:
    """Announces rows of an array; does nothing for one that is no memory map."""

    def __init__(self, array: Array) -> None:
        self._map = _map_under(array) if _HINT is not None else None
        self._row_bytes = array.nbytes // len(array)
        if self._map is not None:
            self._start = array.ctypes.data - np.frombuffer(self._map, np.uint8).ctypes.data

    def announce(self, rows: slice) -> None:
        """These rows come soon."""
        if self._map is None or _HINT is None:
            return
        start = self._start + rows.start * self._row_bytes
        begin = start - start % mmap.PAGESIZE
        self._map.madvise(_HINT, begin, self._start + rows.stop * self._row_bytes - begin)


def _map_under(array: Array) -> mmap.mmap | None:
    """The memory map whose bytes the array shows, if that is what it does."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, mmap.mmap) else None
