"""From an upload's bytes on the disk to a table, format by format."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

from app.datasets.formats import Format
from app.datasets.reading_csv import read_delimited
from app.datasets.reading_json import read_json, read_ndjson
from app.datasets.unreadable import check_columns, unreadable


def read(path: Path, format: Format) -> pl.DataFrame:  # noqa: A002 - the field's name in the API
    """The table in the file at `path`: of strings from CSV and TSV, typed from the other formats.

    Raises `Invalid` with the code `unreadable_file` and a sentence that says what is wrong and where.
    """
    frame = _READERS[format](path)
    check_columns(frame.columns)
    if not frame.height:
        raise unreadable("there are no rows")
    return frame


def _read_parquet(path: Path) -> pl.DataFrame:
    return _told("Parquet", partial(pl.read_parquet, glob=False, hive_partitioning=False), path)


def _read_arrow(path: Path) -> pl.DataFrame:
    return _told("Arrow IPC", pl.read_ipc, path)


def _told(name: str, reader: Callable[[Path], pl.DataFrame], path: Path) -> pl.DataFrame:
    if not path.stat().st_size:
        raise unreadable("the body is empty")
    try:
        return reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        words = str(error).partition("\n")[0].replace(str(path), "the file")
        raise unreadable(f"not a valid {name} file: {words}") from None


_READERS: dict[Format, Callable[[Path], pl.DataFrame]] = {
    "csv": partial(read_delimited, delimiters=",;\t"),
    "tsv": partial(read_delimited, delimiters="\t"),
    "ndjson": read_ndjson,
    "json": read_json,
    "parquet": _read_parquet,
    "arrow": _read_arrow,
}
