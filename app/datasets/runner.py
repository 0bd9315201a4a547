"""Child process: everything that looks into an uploaded file, so that the API never does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from app.datasets.formats import DELIMITERS, Format
from app.datasets.reading import read
from app.datasets.reading_in_pieces import Typed, read_csv_in_pieces, read_in_pieces
from app.datasets.reading_options import ReadOptions
from app.datasets.tables import read_kept
from app.datasets.unreadable import unreadable
from app.problems import Invalid, NotFound
from app.storage import full_disk_told
from engine.encoding import ColumnProfile, ColumnType, DatasetWarning, UnreadableTable
from engine.encoding.array_columns import shown_values
from engine.encoding.columns import cast, infer, kind_of_words
from engine.encoding.description import NESTED
from engine.encoding.profile import profile
from engine.encoding.profile_in_pieces import EXACT_ROWS, Profiled, TableSketch

AS_FOUND = ReadOptions()
PIECE_ROWS = 50_000  # of a table that is profiled in pieces


def read_table(
    source: Path,
    format: Format,  # noqa: A002 - as in the API
    destination: Path,
    options: ReadOptions = AS_FOUND,
) -> dict[str, Any]:
    """Read an upload, type and profile its columns, and write it as Arrow IPC; `TableReport` as JSON."""
    try:
        with full_disk_told(), _numbered_errors():
            typed = read_in_pieces(source, format, destination)
        if typed is not None:
            return _stored(typed, destination)
        frame, found = read(source, format, options)
        frame, types, warnings = infer(frame)
    except UnreadableTable as error:
        raise unreadable(error.detail) from None
    return _keep(frame, types, [*found, *warnings], destination)


def read_growing_table(source: Path, format: Format, destination: Path) -> dict[str, Any]:  # noqa: A002
    """The same for delimited text that is still being written; nothing where it is to be read when it is whole."""
    try:
        return _stored(read_csv_in_pieces(source, DELIMITERS[format], destination, growing=True), destination)
    except Exception:  # noqa: BLE001 - the reading of the whole file tells what is wrong, if anything is
        return {}


def retype_table(
    source: Path, types: dict[str, ColumnType], changes: dict[str, ColumnType], destination: Path
) -> dict[str, Any]:
    """Read a kept table's columns as other types and write it anew; `TableReport` as JSON."""
    frame = cast(_kept(source), types)  # a change that was cut off may have left other types
    try:
        frame = cast(frame, changes)
    except UnreadableTable as error:
        index = list(changes).index(error.column or "")
        raise Invalid.at(f"/columns/{index}", error.detail) from None
    return _keep(frame, types | changes, [], destination)


def read_rows(source: Path, offset: int, limit: int) -> dict[str, Any]:
    """Rows of a kept table as JSON: {"items": [{column: value}]}; raises `NotFound` where it was deleted."""
    frame = _kept(source, offset, limit)
    columns = {series.name: _as_json(series) for series in frame}
    return {"items": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def _kept(source: Path, offset: int = 0, rows: int | None = None) -> pl.DataFrame:
    try:
        return read_kept(source, offset, rows)
    except FileNotFoundError:
        raise NotFound("the data set was deleted a moment ago") from None


def _stored(typed: Typed, destination: Path) -> dict[str, Any]:
    """The report on a table that is written already: as any other's, or from sketches where it has many rows."""
    if typed.rows > EXACT_ROWS:
        columns, warnings = typed.sketch.profile(typed.types, typed.characters)
    else:
        frame = read_kept(destination)
        types = typed.types | {
            name: kind_of_words(frame[name].drop_nulls().n_unique(), frame[name].count(), characters)
            for name, characters in typed.characters.items()
        }
        columns, warnings = profile(frame, types)
    return _report(typed.rows, columns, [*typed.warnings, *warnings])


def _profiled(frame: pl.DataFrame, types: dict[str, ColumnType]) -> Profiled:
    """The profile, from sketches where there are many rows."""
    if frame.height <= EXACT_ROWS or not NESTED.isdisjoint(types.values()):
        return profile(frame, types)
    sketch = TableSketch(frame.schema)
    for piece in frame.iter_slices(PIECE_ROWS):
        sketch.add(piece)
    return sketch.profile(types, {})


def _keep(
    frame: pl.DataFrame, types: dict[str, ColumnType], warnings: list[DatasetWarning], destination: Path
) -> dict[str, Any]:
    columns, more = _profiled(frame, types)
    with full_disk_told(), _numbered_errors():
        frame.write_ipc(destination)  # uncompressed: a job maps it instead of reading it
    return _report(frame.height, columns, [*warnings, *more])


def _report(rows: int, columns: list[ColumnProfile], warnings: list[DatasetWarning]) -> dict[str, Any]:
    return {
        "rows": rows,
        "columns": [column.model_dump(mode="json") for column in columns],
        "warnings": [warning.model_dump(mode="json") for warning in warnings],
    }


def _as_json(series: pl.Series) -> list[Any]:
    if isinstance(series.dtype, pl.Array):
        return shown_values(series)
    values = series.to_list()
    return [value.isoformat() if isinstance(value, datetime) else value for value in values]


@contextmanager
def _numbered_errors() -> Iterator[None]:
    """Give polars' system errors the number that they hold only in their words."""
    try:
        yield
    except OSError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if error.errno is None and number is not None:
            raise OSError(int(number[1]), str(error)) from error
        raise
