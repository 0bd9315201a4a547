"""Child process: everything that looks into an uploaded file, so that the API never does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from app.datasets.formats import Format
from app.datasets.reading import read
from app.datasets.tables import read_kept
from app.datasets.unreadable import unreadable
from app.problems import Invalid, NotFound
from app.storage import full_disk_told
from engine.encoding import ColumnType, DatasetWarning, UnreadableTable
from engine.encoding.columns import cast, infer
from engine.encoding.profile import profile


def read_table(source: Path, format: Format, destination: Path) -> dict[str, Any]:  # noqa: A002 - as in the API
    """Read an upload, type and profile its columns, and write it as Arrow IPC; `TableReport` as JSON."""
    frame = read(source, format)
    try:
        frame, types, warnings = infer(frame)
    except UnreadableTable as error:
        raise unreadable(error.detail) from None
    return _keep(frame, types, warnings, destination)


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
    return {
        "items": [
            {name: _as_json(value) for name, value in row.items()} for row in frame.iter_rows(named=True)
        ]
    }


def _kept(source: Path, offset: int = 0, rows: int | None = None) -> pl.DataFrame:
    try:
        return read_kept(source, offset, rows)
    except FileNotFoundError:
        raise NotFound("the data set was deleted a moment ago") from None


def _keep(
    frame: pl.DataFrame, types: dict[str, ColumnType], warnings: list[DatasetWarning], destination: Path
) -> dict[str, Any]:
    columns, more = profile(frame, types)
    with full_disk_told(), _numbered_errors():
        frame.write_ipc(destination)  # uncompressed: a job maps it instead of reading it
    return {
        "rows": frame.height,
        "columns": [column.model_dump(mode="json") for column in columns],
        "warnings": [warning.model_dump(mode="json") for warning in (*warnings, *more)],
    }


def _as_json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


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
