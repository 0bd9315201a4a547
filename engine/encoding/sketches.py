"""Figures of more values than memory holds, gathered piece by piece in a small, fixed amount of it."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.arrays import Array

Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]

DISTINCT_HASHES = 1 << 14
"""Hashes that a distinct count keeps: it is exact up to so many different values, and beyond mostly within 2 %."""


class DistinctSketch:
    """How many different values there are, and how many values repeat an earlier one, from their 64-bit hashes.

    Keeps the hashes that end in `level` zero bits, and one more zero bit as often as they become too many; each then
    stands for 2^level. Source: Flajolet 1990, On adaptive sampling, Computing 43; its standard error is
    1.2 / sqrt(hashes kept).
    """

    def __init__(self, most: int = DISTINCT_HASHES) -> None:
        """Keep at most `most` hashes."""
        self._most = most
        self._mask = np.uint64(0)
        self._hashes: Hashes = np.empty(0, np.uint64)  # different ones, ascending
        self._counts: NDArray[np.int64] = np.empty(0, np.int64)  # how many values have each
        self._waiting: list[Hashes] = []  # to be counted, many at a time

    @property
    def is_exact(self) -> bool:
        """Whether all hashes are kept so far."""
        self._count_waiting()
        return not self._mask

    @property
    def distinct(self) -> int:
        """Different values, about."""
        self._count_waiting()
        return len(self._hashes) * (int(self._mask) + 1)

    @property
    def repeated(self) -> int:
        """Values that are the same as an earlier one, about; 0 where none is among those that are kept."""
        self._count_waiting()
        return int((self._counts - 1).sum()) * (int(self._mask) + 1)

    def frequent(self, number: int) -> dict[int, int]:
        """The hashes of the most frequent values, at least `number` if there are so many, and how often they are."""
        self._count_waiting()
        least = np.sort(self._counts)[-number:][:1]
        often = self._counts >= (least[0] if len(least) else 0)
        return dict(zip(self._hashes[often].tolist(), self._counts[often].tolist(), strict=True))

    def add(self, hashes: Hashes) -> None:
        """Count the values with these hashes in."""
        if self._mask:
            hashes = hashes[self._keeps(hashes)]
        size = 4 * self._most
        for start in range(0, len(hashes), size):
            self._waiting.append(hashes[start : start + size])
            if sum(map(len, self._waiting)) >= size:
                self._count_waiting()

    def _count_waiting(self) -> None:
        if not self._waiting:
            return
        waiting = pl.Series("hash", np.concatenate(self._waiting))
        self._waiting = []
        found = waiting.value_counts(name="count")
        new, counts = found["hash"].to_numpy(), found["count"].to_numpy().astype(np.int64)
        while len(new) > self._most:  # too many, whatever is kept already
            self._halve()
            kept = self._keeps(new)
            new, counts = new[kept], counts[kept]
        order = np.argsort(new)
        new, counts = new[order], counts[order]
        places = np.searchsorted(self._hashes, new)
        known = np.zeros(len(new), np.bool_)
        within = places < len(self._hashes)
        known[within] = self._hashes[places[within]] == new[within]
        self._counts[places[known]] += counts[known]
        self._hashes = np.insert(self._hashes, places[~known], new[~known])
        self._counts = np.insert(self._counts, places[~known], counts[~known])
        while len(self._hashes) > self._most:
            self._halve()

    def _halve(self) -> None:
        """One level up."""
        self._mask = self._mask * np.uint64(2) + np.uint64(1)
        kept = self._keeps(self._hashes)
        self._hashes, self._counts = self._hashes[kept], self._counts[kept]

    def _keeps(self, hashes: Hashes) -> Mask:
        kept: Mask = (hashes & self._mask) == 0
        return kept


@dataclass
class Moments:
    """Mean and standard deviation of numbers that come in pieces.

    Source: Chan, Golub and LeVeque 1979, Updating formulae and a pairwise algorithm for computing sample variances.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # the sum of squared deviations from the mean

    def add(self, values: Array) -> None:
        """Count in these numbers, none of them missing."""
        count = len(values)
        if not count:
            return
        mean = float(values.mean())
        deviations = values - mean
        squares = float(np.square(deviations, out=deviations).sum())
        difference, total = mean - self.mean, self.count + count
        self.squares += squares + difference**2 * self.count * count / total
        self.mean += difference * count / total
        self.count = total

    @property
    def std(self) -> float:
        """Of the population: the squared deviations are divided by the number of values."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


class RowSample:
    """Rows of a table that comes in pieces, each as likely as any other: all of them, up to `most`, else half to all.

    Every row draws a number below 1, and those below a bound are kept, which is halved as often as they become too
    many. The draws are the same every time.
    """

    def __init__(self, most: int) -> None:
        """Keep at most `most` rows."""
        self._most = most
        self._rng = np.random.default_rng(0)
        self._bound = 1.0
        self._kept: list[tuple[Array, pl.DataFrame]] = []
        self._rows = 0

    def add(self, piece: pl.DataFrame) -> None:
        """Take what is to be kept of these rows."""
        drawn: Array = self._rng.random(piece.height)
        self._keep(drawn, piece)
        while self._rows > self._most:
            self._bound /= 2
            earlier, self._kept, self._rows = self._kept, [], 0
            for draws, rows in earlier:
                self._keep(draws, rows)

    def _keep(self, drawn: Array, rows: pl.DataFrame) -> None:
        kept = np.flatnonzero(drawn < self._bound)
        if len(kept) < len(drawn):
            drawn, rows = drawn[kept], rows[kept]
        if len(drawn):
            self._kept.append((drawn, rows))
            self._rows += len(drawn)

    @property
    def rows(self) -> pl.DataFrame:
        """Those that are kept, in the table's order; raises `ValueError` where no row has come."""
        return pl.concat([rows for _, rows in self._kept])
