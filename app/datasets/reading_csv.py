"""Delimited text (RFC 4180): every field a string; what a string means is found out later.

polars is fast but lenient: it fills short rows with nulls and renames equal columns without a word. The
csv module reads the header, and the whole file where polars met something odd, to say in which line.
"""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.datasets.unreadable import check_columns, check_text, unreadable
from app.problems import Invalid


@dataclass(frozen=True)
class Delimited:
    """How a file of delimited text is divided."""

    delimiter: str
    names: list[str]  # of the columns


def delimited(path: Path, delimiters: str) -> Delimited:
    """What the header says; raises `Invalid` for one that names no columns."""
    delimiter = _delimiter(path, delimiters)
    header = next(_records(path, delimiter), (1, []))[1]
    names = [name.strip() for name in header]
    check_columns(names)
    return Delimited(delimiter, names)


def read_delimited(path: Path, delimiters: str) -> pl.DataFrame:
    """The table in the file at `path`, of strings; `delimiters` may be several to choose from.

    The header decides for the only one that divides it; the first one if there is no such. Lines without
    any value are left out. Raises `Invalid` with the line that cannot be read.
    """
    check_text(path)
    source = delimited(path, delimiters)
    delimiter, names = source.delimiter, source.names
    try:
        frame = pl.read_csv(path, separator=delimiter, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        raise fault(path, delimiter, len(names)) or unknown_fault(error) from None
    if frame.width != len(names) or frame.to_series(-1).has_nulls():
        found = fault(path, delimiter, len(names))
        if found is not None:
            raise found
    if frame.width != len(names):
        raise unreadable("the lines must end with LF or CRLF")
    frame.columns = names
    return frame.filter(pl.any_horizontal(pl.all().is_not_null()))


def _delimiter(path: Path, delimiters: str) -> str:
    dividing = [delimiter for delimiter in delimiters if _divides(path, delimiter)]
    return dividing[0] if len(dividing) == 1 else delimiters[0]


def _divides(path: Path, delimiter: str) -> bool:
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = csv.reader(file, delimiter=delimiter)
        return len(next(filter(None, records), [])) > 1


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it begins in; empty lines left out."""
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = csv.reader(file, delimiter=delimiter, strict=True)
        line = 1
        try:
            for record in records:
                if record:
                    yield line, record
                line = records.line_num + 1
        except csv.Error as error:
            end = "unexpected end of data"
            detail = "a quote is opened and never closed" if str(error) == end else str(error)
            raise unreadable(f"line {line}: {detail}") from None


def fault(path: Path, delimiter: str, columns: int) -> Invalid | None:
    """The first line that does not have a field for each column, or is no CSV."""
    try:
        for line, record in _records(path, delimiter):
            if len(record) != columns:
                fields = "1 field" if len(record) == 1 else f"{len(record)} fields"
                return unreadable(f"line {line} has {fields}, but the header has {columns} columns")
    except Invalid as found:
        return found
    return None


def unknown_fault(error: pl.exceptions.PolarsError) -> Invalid:
    """What to say of an error of polars where every line looks right."""
    words = str(error).partition("\n")[0]
    return unreadable(
        f"not valid CSV ({words}): a field that holds a quote, a delimiter or a line break must stand in "
        "quotes, with quotes inside it doubled, and lines must end with LF or CRLF"
    )
