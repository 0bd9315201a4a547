"""Tables that are not read into memory: a file, of which only the columns that decide are held.

What is to be decided about a training needs its target, weights, groups or times of all rows. The other columns are
read in pieces, when rows are encoded.
"""

import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from engine.encoding import ColumnType
from engine.encoding.columns import cast
from engine.partition import VALUES_A_PIECE, Table

ROW = "\0row"
"""The column of row numbers beside those that are held; no table has one of this name, since none may hold a NUL."""


class TableFile:
    """An Arrow IPC file, read in parts; open as long as the object is there, so that it stays the same."""

    def __init__(self, path: Path) -> None:
        """Open it; raises `FileNotFoundError` where it was deleted."""
        descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        self._scan = pl.scan_ipc(f"/dev/fd/{descriptor}", glob=False)
        self._places = {name: place for place, name in enumerate(self._scan.collect_schema())}
        self.bytes = os.fstat(descriptor).st_size
        self.rows: int = self._scan.select(pl.len()).collect().item()

    def read(self, columns: Sequence[str], start: int = 0, rows: int | None = None) -> pl.DataFrame:
        """These columns of `rows` rows from `start` on, by default of all."""
        # By their numbers: polars takes some names for patterns.
        chosen = self._scan.select(pl.nth(*(self._places[name] for name in columns)))
        return chosen.slice(start, rows).collect()


class LargeTable(Table):
    """A table in a file. Its `frame` has the columns that are held, and the row numbers."""

    file: TableFile

    def __init__(self, file: TableFile, types: dict[str, ColumnType], held: Sequence[str]) -> None:
        """`held`: the columns to hold. All have one value a row."""
        numbers = pl.Series(ROW, np.arange(file.rows, dtype=np.uint32))
        frame = cast(file.read(held), {name: types[name] for name in held}) if held else pl.DataFrame()
        super().__init__(pl.DataFrame([*frame, numbers]), types)
        object.__setattr__(self, "file", file)

    def pieces(self, rows: pl.DataFrame, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These rows of the table's frame, in order, a piece at a time; with these columns besides."""
        more = [name for name in columns if name not in rows.columns]
        size = max(VALUES_A_PIECE // max(len(more), 1), 1)
        numbers = rows[ROW].to_numpy().astype(np.int64)
        assert (np.diff(numbers) > 0).all(), "the parts of a table keep its order"
        for start in range(0, self.file.rows, size):
            first, last = np.searchsorted(numbers, (start, start + size))
            if first == last:
                continue
            piece = rows[first:last]
            if more:
                read = self.file.read(more, start, size)
                piece = pl.DataFrame([*piece, *read[numbers[first:last] - start]])
            yield piece

    def whole(self, rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """All at once."""
        return pl.concat(self.pieces(rows, columns))
