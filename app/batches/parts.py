"""The parts of a batch prediction that are answered: they outlive an attempt, so that the next goes on after them."""

import os
from pathlib import Path
from typing import NamedTuple

import polars as pl

from app.batches.answer_table import for_csv
from app.batches.schemas import Format
from app.storage import publish


class Part(NamedTuple):
    """The answers to the rows from `first` up to `stop`."""

    first: int
    stop: int
    path: Path


class Parts:
    """A folder with the table whose rows are answered and a Parquet file for each part, whole or not there."""

    def __init__(self, folder: Path, table: Path) -> None:
        """`table`: the data set's, of which the folder holds a link from the first attempt on.

        So every part is of the same table, whatever becomes of the data set meanwhile.
        """
        self._folder = folder
        self.table = folder / "table"
        folder.mkdir(exist_ok=True)
        if not self.table.exists():
            os.link(table, self.table)
        self.done = _in_a_row(folder)

    @property
    def rows(self) -> int:
        """Rows that are answered, from the first on."""
        return self.done[-1].stop if self.done else 0

    def add(self, answers: pl.DataFrame, scratch: Path) -> None:
        """Write the answers to the rows that follow; `scratch`: where the file lies until it is whole."""
        first, stop = self.rows, self.rows + len(answers)
        path = self._folder / f"{first}-{stop}.parquet"
        answers.write_parquet(scratch / path.name)
        publish(scratch / path.name, path)
        self.done.append(Part(first, stop, path))

    def joined(self, scratch: Path, format_: Format) -> Path:
        """All answers in one file, in `scratch`."""
        paths = [part.path for part in self.done]
        joined = scratch / f"answers.{format_}"
        if format_ == "parquet":  # polars writes none bit by bit, but streams from many into one
            pl.scan_parquet(paths, glob=False).sink_parquet(joined, maintain_order=True)
            return joined
        with joined.open("wb") as file:
            for i, path in enumerate(paths):
                for_csv(pl.read_parquet(path, glob=False)).write_csv(file, include_header=i == 0)
        return joined


def _in_a_row(folder: Path) -> list[Part]:
    """The parts from the first row on, up to where one is missing."""
    there = {part.first: part for part in map(_part, folder.glob("*-*.parquet"))}
    parts = list[Part]()
    while (part := there.get(parts[-1].stop if parts else 0)) is not None:
        parts.append(part)
    return parts


def _part(path: Path) -> Part:
    first, stop = map(int, path.stem.split("-"))
    return Part(first, stop, path)
