"""The order of the rows in an epoch: a function of (seed, epoch), so that a resume needs no state.

Data that fits into memory is shuffled whole: every row may come at any time. Larger data, such
as a memory map, is shuffled by blocks: contiguous blocks in random order, a window of them in memory at
a time, whose rows are mixed. It reads each row once an epoch, in runs that a disk likes.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Literal

import numpy as np

from engine.arrays import Array
from engine.training.examples import Batch, Examples, cut
from engine.training.read_ahead import ReadAhead

ShuffleChoice = Literal["auto", "full", "block"]

FULL_BYTES = 512 * 2**20
"""With "auto", the most that data may take to be shuffled whole."""
GATHERED_BYTES = 64 * 2**10
"""A batch from this size on is gathered when its turn comes, and is then still in the cache when it is trained on;
smaller ones are gathered all at once, since a call costs more than they do."""
WINDOW_BYTES = 64 * 2**20
"""Rows in memory at a time, and the order that mixes them."""
BLOCK_BYTES = 2**20
"""Neighbouring rows that stay together up to the window: 64 blocks, from anywhere, make a window."""
_ORDER_BYTES = 8  # of a row, in the order of a window


def buffer_rows(choice: ShuffleChoice, rows: int, row_bytes: int, batch: int) -> int:
    """How many rows the shuffle holds a copy of: a batch, all of them, or a window of whole batches."""
    if _whole(choice, rows, row_bytes):
        return min(batch, rows) if batch * row_bytes >= GATHERED_BYTES else rows
    window = WINDOW_BYTES // (row_bytes + _ORDER_BYTES)
    return min(rows, max(1, window // batch) * batch)


def _whole(choice: ShuffleChoice, rows: int, row_bytes: int) -> bool:
    return choice == "full" or (choice == "auto" and rows * row_bytes <= FULL_BYTES)


class Shuffle:
    """The batches of each epoch, in an order of its own."""

    def __init__(self, choice: ShuffleChoice, examples: Examples, batch: int) -> None:
        """Allocate the buffers; `batch`: rows a batch."""
        row_bytes = sum(array.nbytes for array in examples.arrays) // len(examples)
        self._examples = examples
        self._batch = batch
        self._window = buffer_rows(choice, len(examples), row_bytes, batch)
        self._whole = self._window == len(examples) or _whole(choice, len(examples), row_bytes)
        self._block = max(1, BLOCK_BYTES // row_bytes)
        self._ahead = [ReadAhead(array) for array in examples.arrays]
        self._buffers = tuple(
            np.empty((self._window, *array.shape[1:]), array.dtype) for array in examples.arrays
        )

    def batches(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        """Every row once; the last batch holds what is left. A batch is valid until the next is taken.

        The first `skip` batches are left out; a window that has no others is not read.
        """
        if self._whole:
            order = rng.permutation(len(self._examples))
            if self._window < len(order):
                for start in range(skip * self._batch, len(order), self._batch):
                    yield Batch(*self._gather(order[start : start + self._batch]))
            else:
                yield from islice(cut(self._gather(order), self._window, self._batch), skip, None)
            return
        windows = list(self._windows(rng))
        while windows and skip * self._batch >= _rows(windows[0]):
            skip -= -(-_rows(windows[0]) // self._batch)
            rng.permutation(_rows(windows.pop(0)))  # drawn, so that the others get theirs
        if not windows:
            return
        self._announce(windows[0])
        for runs, coming in zip(windows, [*windows[1:], []], strict=True):
            order = rng.permutation(_rows(runs))
            filled = 0
            for run in runs:
                places = order[filled : filled + run.stop - run.start]
                for array, buffer in zip(self._examples.arrays, self._buffers, strict=True):
                    buffer[places] = array[run]
                filled += len(places)
            self._announce(coming)
            yield from islice(cut(self._buffers, filled, self._batch), skip, None)
            skip = 0

    def _gather(self, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[Array, ...]:
        """The rows at these places, in the buffers."""
        return tuple(
            # mode="clip": the default mode gathers into a temporary array before it writes to `out`.
            np.take(array, places, axis=0, out=buffer[: len(places)], mode="clip")
            for array, buffer in zip(self._examples.arrays, self._buffers, strict=True)
        )

    def _announce(self, runs: list[slice]) -> None:
        for ahead in self._ahead:
            for run in runs:
                ahead.announce(run)

    def _windows(self, rng: np.random.Generator) -> Iterator[list[slice]]:
        """The blocks in random order, in windows; a block is cut where a window ends."""
        rows, runs, room = len(self._examples), list[slice](), self._window
        for block in rng.permutation(-(-rows // self._block)).tolist():
            start, stop = block * self._block, min((block + 1) * self._block, rows)
            while start < stop:
                run = slice(start, min(stop, start + room))
                runs.append(run)
                room -= run.stop - run.start
                start = run.stop
                if room == 0:
                    yield runs
                    runs, room = [], self._window
        if runs:
            yield runs


def _rows(runs: list[slice]) -> int:
    return sum(run.stop - run.start for run in runs)
