"""Tables of more bytes than are read at once: text into typed columns on the disk, piece by piece."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from app.datasets.ahead import ahead
from app.datasets.csv_blocks import read_blocks
from app.datasets.formats import DELIMITERS, FROM_BYTES, Format
from app.datasets.reading import scan_columnar, told
from app.datasets.reading_csv import delimited
from app.datasets.unreadable import check_columns, check_text, unreadable
from engine.encoding import ColumnType, DatasetWarning
from engine.encoding.profile_in_pieces import TableSketch
from engine.encoding.typing_in_pieces import Typing, can_be_typed

FROM_VALUES = 8_000_000
"""Columnar files of at least so many values are."""
BATCH_ROWS = 50_000

Pieces = Callable[[Mapping[str, pl.DataType]], Iterator[pl.DataFrame]]
"""Reads a table of text; the columns that are named may come as such numbers."""


@dataclass(frozen=True)
class Typed:
    """What was found while a table was typed and written."""

    rows: int
    types: dict[str, ColumnType]  # of columns of words: categorical, unless their number says otherwise
    characters: dict[str, int]  # of each column of words, in all
    warnings: list[DatasetWarning]
    sketch: TableSketch


def read_in_pieces(path: Path, format_: Format, destination: Path) -> Typed | None:
    """Write a large table to `destination` as Arrow IPC, typed; None for one that is to be read at once.

    Raises `Invalid` as `read` does.
    """
    match format_:
        case "csv" | "tsv" if path.stat().st_size >= FROM_BYTES:
            return read_csv_in_pieces(path, DELIMITERS[format_], destination)
        case "parquet" | "arrow":
            return read_columnar_in_pieces(path, format_, destination)
    return None


def read_csv_in_pieces(path: Path, delimiters: str, destination: Path, *, growing: bool = False) -> Typed:
    """Write the table of the file at `path` to `destination` as Arrow IPC, typed; of any size, in bounded memory.

    `growing`: whether the file is still being written, as `GrowingFile` has it. Raises `Invalid` as `read_delimited`
    does.
    """
    try:
        source = delimited(path, delimiters)
    except UnicodeDecodeError:
        check_text(path)  # says where
        raise
    if not source.names:
        check_text(path)
    return write_typed(partial(read_blocks, path, source, growing=growing), destination)


def read_columnar_in_pieces(path: Path, format_: Format, destination: Path) -> Typed | None:
    """The same for a Parquet or Arrow IPC file; None where it is small, or has columns that are typed as a whole.

    Raises `Invalid` as `read` does.
    """
    with told(format_, path):
        scan = scan_columnar(path, format_)
        schema = scan.collect_schema()
        rows: int = scan.select(pl.len()).collect().item()
    if rows * len(schema) < FROM_VALUES or not all(map(can_be_typed, schema.values())):
        return None
    check_columns(list(schema))
    return write_typed(lambda _: _batches(path, format_), destination)


def _batches(path: Path, format_: Format) -> Iterator[pl.DataFrame]:
    with told(format_, path):
        yield from scan_columnar(path, format_).collect_batches(chunk_size=BATCH_ROWS)


def write_typed(pieces: Pieces, destination: Path) -> Typed:
    """Type the columns of a table, of text above all, and write them.

    Reads all `pieces` again where a late value breaks what the earlier ones said.
    """
    first = next(pieces({}), None)
    if first is None:
        raise unreadable("there are no rows")
    typing = Typing(first)
    while True:
        sketch = _write(pieces(typing.numbers), typing, destination)
        if typing.holds():
            break
    words = {column.name: column.characters for column in typing.columns if column.kind is None}
    types = {column.name: column.kind or "categorical" for column in typing.columns}
    return Typed(sketch.rows, types, words, list(typing.warnings()), sketch)


def _write(pieces: Iterator[pl.DataFrame], typing: Typing, destination: Path) -> TableSketch:
    """Write the typed pieces and gather what the profile needs; after a broken guess they are only looked at."""
    sketch = TableSketch(typing.schema)
    failures: list[Exception] = []

    def typed(*_: object) -> Iterator[pl.DataFrame]:
        broken = False
        try:
            for piece in ahead(pieces):
                frame = typing.typed(piece)
                broken |= frame is None
                if frame is not None and not broken:
                    sketch.add(frame)
                    yield frame
        except Exception as error:  # noqa: BLE001 - polars would wrap it; it is raised again below
            failures.append(error)

    register_io_source(typed, schema=typing.schema).sink_ipc(destination)
    if failures:
        raise failures[0]
    return sketch
