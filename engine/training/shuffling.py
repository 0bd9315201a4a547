"""The order of the rows in an epoch: a function of (seed, epoch), so that a resume needs no state.

Data that fits into memory twice is shuffled whole: every row may come at any time. Larger data, such
as a memory map, is shuffled by blocks: contiguous blocks in random order, a window of them in memory at
a time, whose rows are mixed. It reads each row once an epoch, in runs that a disk likes.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from engine.training.examples import Batch, Examples, cut
from engine.training.read_ahead import ReadAhead

ShuffleChoice = Literal["auto", "full", "block"]

FULL_BYTES = 512 * 2**20
"""With "auto", the most that data may take to be shuffled whole."""
WINDOW_BYTES = 64 * 2**20
"""Rows in memory at a time, and the order that mixes them."""
BLOCK_BYTES = 2**20
"""Neighbouring rows that stay together up to the window: 64 blocks, from anywhere, make a window."""
_ORDER_BYTES = 8  # of a row, in the order of a window


def buffer_rows(choice: ShuffleChoice, rows: int, row_bytes: int, batch: int) -> int:
    """How many rows the shuffle holds a copy of: all of them, or a window of whole batches."""
    if choice == "full" or (choice == "auto" and rows * row_bytes <= FULL_BYTES):
        return rows
    window = WINDOW_BYTES // (row_bytes + _ORDER_BYTES)
    return min(rows, max(1, window // batch) * batch)


class Shuffle:
    """The batches of each epoch, in an order of its own."""

    def __init__(self, choice: ShuffleChoice, examples: Examples, batch: int) -> None:
        """Allocate the buffers; `batch`: rows a batch."""
        row_bytes = sum(array.nbytes for array in examples.arrays) // len(examples)
        self._examples = examples
        self._batch = batch
        self._window = buffer_rows(choice, len(examples), row_bytes, batch)
        self._whole = self._window == len(examples)
        self._block = max(1, BLOCK_BYTES // row_bytes)
        self._ahead = [ReadAhead(array) for array in examples.arrays]
        self._buffers = tuple(
            np.empty((self._window, *array.shape[1:]), array.dtype) for array in examples.arrays
        )

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Every row once; the last batch holds what is left. A batch is valid until the next is taken."""
        if self._whole:
            order = rng.permutation(self._window)
            for array, buffer in zip(self._examples.arrays, self._buffers, strict=True):
                # mode="clip": the default mode gathers into a temporary array before it writes to `out`.
                np.take(array, order, axis=0, out=buffer, mode="clip")
            yield from cut(self._buffers, self._window, self._batch)
            return
        windows = list(self._windows(rng))
        self._announce(windows[0])
        for runs, coming in zip(windows, [*windows[1:], []], strict=True):
            order = rng.permutation(sum(run.stop - run.start for run in runs))
            filled = 0
            for run in runs:
                places = order[filled : filled + run.stop - run.start]
                for array, buffer in zip(self._examples.arrays, self._buffers, strict=True):
                    buffer[places] = array[run]
                filled += len(places)
            self._announce(coming)
            yield from cut(self._buffers, filled, self._batch)

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
