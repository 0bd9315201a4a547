"""From an upload's bytes on the disk to a table, format by format."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl

from app.datasets.formats import DELIMITERS, Format
from app.datasets.reading_csv import read_delimited
from app.datasets.reading_excel import read_excel
from app.datasets.reading_images import read_images
from app.datasets.reading_json import read_json, read_ndjson
from app.datasets.reading_npz import read_npz
from app.datasets.reading_options import ReadOptions
from app.datasets.unreadable import check_columns, unreadable
from engine.encoding import DatasetWarning


def read(
    path: Path,
    format: Format,  # noqa: A002 - the field's name in the API
    options: ReadOptions,
) -> tuple[pl.DataFrame, list[DatasetWarning]]:
    """The table in the file at `path`: of strings from CSV and TSV, typed from the other formats.

    And what is to be said of how it was read. Raises `Invalid` with the code `unreadable_file` and a sentence
    that says what is wrong and where.
    """
    frame, warnings = _read(path, format, options)
    check_columns(frame.columns)
    if not frame.height:
        raise unreadable("there are no rows")
    return frame, warnings


def _read(path: Path, format_: Format, options: ReadOptions) -> tuple[pl.DataFrame, list[DatasetWarning]]:
    match format_:
        case "zip":
            return read_images(path, options)
        case "npz":
            return read_npz(path, options), []
        case "xlsx":
            return read_excel(path, options), []
    return _READERS[format_](path), []


def scan_columnar(path: Path, format_: Format) -> pl.LazyFrame:
    """A Parquet or Arrow IPC file, to be read in parts, within `told`."""
    if format_ == "parquet":
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)
    return pl.scan_ipc(path, glob=False)


def _read_parquet(path: Path) -> pl.DataFrame:
    with told("parquet", path):
        return pl.read_parquet(path, glob=False, hive_partitioning=False)


def _read_arrow(path: Path) -> pl.DataFrame:
    with told("arrow", path):
        return pl.read_ipc(path)


@contextmanager
def told(format_: Format, path: Path) -> Iterator[None]:
    """Turn polars' errors of a columnar file into `Invalid`, and raise it for an empty one."""
    if not path.stat().st_size:
        raise unreadable("the body is empty")
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        words = str(error).partition("\n")[0].replace(str(path), "the file")
        name = "Parquet" if format_ == "parquet" else "Arrow IPC"
        raise unreadable(f"not a valid {name} file: {words}") from None


_READERS: dict[Format, Callable[[Path], pl.DataFrame]] = {
    "csv": partial(read_delimited, delimiters=DELIMITERS["csv"]),
    "tsv": partial(read_delimited, delimiters=DELIMITERS["tsv"]),
    "ndjson": read_ndjson,
    "json": read_json,
    "parquet": _read_parquet,
    "arrow": _read_arrow,
}
