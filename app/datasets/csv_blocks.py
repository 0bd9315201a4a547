"""Delimited text that need not fit into memory: blocks of whole records, each read by itself.

A record ends at a line's end outside quotes, which are even in number before it. Small blocks are the quickest: what
is read of them is typed while it is still in the processor's cache.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl

from app.datasets.growing_file import GrowingFile
from app.datasets.reading_csv import Delimited, fault, unknown_fault
from app.datasets.unreadable import check_text, unreadable
from engine.encoding.columns import MISSING

BLOCK_BYTES = 1 << 23
LONGEST_RECORD = 1 << 26
MOST_IN_VAIN = 10
"""Blocks that hold what is no number in a column of numbers; after so many, all that follow are read as text."""


def read_blocks(
    path: Path, source: Delimited, numbers: Mapping[str, pl.DataType] | None = None, *, growing: bool = False
) -> Iterator[pl.DataFrame]:
    """The table of strings in the file at `path`, block by block; lines without any value are left out.

    `numbers`: columns that are read as numbers at once in blocks where all their fields are some. `growing`: whether
    the file is still being written, as `GrowingFile` has it. Raises `Invalid` with the line that cannot be read, which
    is another one where the file is not yet whole.
    """
    reader = _Reader(path, source, numbers or {})
    for number, block in enumerate(_blocks(path, growing=growing)):
        if not _is_plain_text(block):
            check_text(path)  # says where, for the file as a whole
        frame = reader.read(block, has_header=number == 0)
        if frame.height and frame.to_series(0).has_nulls():
            frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
        if frame.height:
            yield frame


def _blocks(path: Path, *, growing: bool) -> Iterator[bytes]:
    buffer = bytearray(BLOCK_BYTES)
    held = 0  # bytes of a record that has not ended
    with GrowingFile(path) if growing else path.open("rb", buffering=0) as file:
        while read := file.readinto(memoryview(buffer)[held:]):
            held += read
            end = _end_of_records(buffer, held)
            if end:
                yield bytes(memoryview(buffer)[:end])
                held -= end
                buffer[:held] = buffer[end : end + held]
            elif held == len(buffer):
                if held >= LONGEST_RECORD:
                    raise unreadable(
                        f"a record is longer than {LONGEST_RECORD:,} bytes: is a quote opened and never closed? "
                        "Lines must end with LF or CRLF"
                    )
                buffer += bytes(held)
    if held:
        yield bytes(memoryview(buffer)[:held])


def _end_of_records(buffer: bytearray, stop: int) -> int:
    """Where the last record ends that ends before `stop`; 0 if none does."""
    end = buffer.rfind(b"\n", 0, stop) + 1
    while end and buffer.count(b'"', 0, end) % 2:  # within quotes: that line's end belongs to a value
        end = buffer.rfind(b"\n", 0, buffer.rfind(b'"', 0, end)) + 1
    return end


def _is_plain_text(block: bytes) -> bool:
    if b"\0" in block:
        return False
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Reader:
    """Reads one block after the other."""

    def __init__(self, path: Path, source: Delimited, numbers: Mapping[str, pl.DataType]) -> None:
        self._path = path
        self._source = source
        self._strings: dict[str, pl.DataType] = dict.fromkeys(source.names, pl.String())
        self._typed = {**self._strings, **numbers}
        self._missing: list[str] | None = None  # the words for missing values, once there are any
        self._in_vain = 0  # blocks that could not be read as numbers

    def read(self, block: bytes, *, has_header: bool) -> pl.DataFrame:
        """The block's table."""
        columns = len(self._source.names)
        try:
            frame = self._parsed(
                block.lstrip(b"\r\n"), has_header=has_header
            )  # the first line has all columns
        except pl.exceptions.NoDataError:  # blank lines, or the header alone
            return pl.DataFrame(schema=self._strings)
        except pl.exceptions.PolarsError as error:
            raise fault(self._path, self._source.delimiter, columns) or unknown_fault(error) from None
        suspicious = frame.width != columns or (frame.height and frame.to_series(-1).has_nulls())
        if suspicious and not _is_regular(block, frame.height + has_header, self._source):
            found = fault(self._path, self._source.delimiter, columns)
            if found is not None:
                raise found
        return frame

    def _parsed(self, block: bytes, *, has_header: bool) -> pl.DataFrame:
        if self._in_vain < MOST_IN_VAIN:
            for missing in (self._missing, [word for word in MISSING if word]):
                with suppress(pl.exceptions.ComputeError):
                    frame = self._read(block, self._typed, missing, has_header=has_header)
                    self._missing = missing
                    return frame
            self._in_vain += 1
        return self._read(block, self._strings, None, has_header=has_header)

    def _read(
        self, block: bytes, schema: dict[str, pl.DataType], missing: list[str] | None, *, has_header: bool
    ) -> pl.DataFrame:
        return pl.read_csv(
            block,
            separator=self._source.delimiter,
            has_header=has_header,
            schema=schema,
            null_values=missing,
        )


def _is_regular(block: bytes, lines: int, source: Delimited) -> bool:
    """Whether all records have a field for each column. polars refuses longer ones, and fills short ones."""
    columns = len(source.names)
    if b'"' not in block:
        delimiters = np.count_nonzero(np.frombuffer(block, np.uint8) == ord(source.delimiter))
        if delimiters == lines * (columns - 1):
            return True
    text = io.StringIO(block.decode("utf-8-sig"), newline="")
    records = csv.reader(text, delimiter=source.delimiter, strict=True)
    try:
        return all(len(record) in {0, columns} for record in records)
    except csv.Error:
        return False
