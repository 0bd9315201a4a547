"""Delimited text at polars' full speed, for files that give no cause to look twice: most large ones.

Such a file has no quotes, so that a line is a record. Whatever turns up in it that needs more care ends the stream, and
blocks go on after the rows that were read.
"""

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from app.datasets.csv_blocks import read_blocks
from app.datasets.reading_csv import Delimited, fault
from engine.encoding.columns import MISSING

BATCH_ROWS = 50_000
BUFFER_BYTES = 1 << 22


def read_stream(path: Path, source: Delimited, numbers: Mapping[str, pl.DataType]) -> Iterator[pl.DataFrame]:
    """The table in the file at `path`, as `read_blocks` gives it, and quicker."""
    done = 0
    if numbers and _is_simple(path):
        schema: dict[str, pl.DataType] = dict.fromkeys(source.names, pl.String()) | dict(numbers)
        for missing in (None, [word for word in MISSING if word]):
            try:
                for frame in _after(_batches(path, source, schema, missing), done):
                    done += frame.height
                    yield frame
            except pl.exceptions.ComputeError:
                continue
            return
    yield from _after(read_blocks(path, source, numbers), done)


def _batches(
    path: Path, source: Delimited, schema: dict[str, pl.DataType], missing: list[str] | None
) -> Iterator[pl.DataFrame]:
    """Raises `ComputeError` for a field that is no number of its column, and for a line with too many fields."""
    scan = pl.scan_csv(path, separator=source.delimiter, schema=schema, null_values=missing, glob=False)
    lines, ends_missing = 1, False
    for batch in scan.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        lines += batch.height
        ends_missing |= batch.to_series(-1).has_nulls()
        if batch.to_series(0).has_nulls():
            batch = batch.filter(pl.any_horizontal(pl.all().is_not_null()))  # noqa: PLW2901 - the same one
        if batch.height:
            yield batch
    # polars fills short lines, at the latest in the last column.
    if ends_missing and _count(path, source.delimiter) != lines * (len(source.names) - 1):
        found = fault(path, source.delimiter, len(source.names))
        if found is not None:
            raise found


def _after(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The frames without the first `rows` rows."""
    for frame in frames:
        left = frame.slice(rows)
        rows = max(rows - frame.height, 0)
        if left.height:
            yield left


def _is_simple(path: Path) -> bool:
    """Whether it is UTF-8 without quotes and NULs, with lines of their own."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    plain, has_lines = True, False
    for buffer in _buffers(path):
        if b'"' in buffer or b"\0" in buffer:
            return False
        has_lines |= b"\n" in buffer
        if not (plain and buffer.isascii()):
            plain = False
            try:
                decoder.decode(buffer)
            except UnicodeDecodeError:
                return False
    return has_lines


def _count(path: Path, character: str) -> int:
    counts = (
        np.count_nonzero(np.frombuffer(buffer, np.uint8) == ord(character)) for buffer in _buffers(path)
    )
    return int(sum(counts))


def _buffers(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while buffer := file.read(BUFFER_BYTES):
            yield buffer
