"""A few records -> the network's input, without a data frame: a query of polars costs more than a small model.

What comes out has the same bits as by `records.frame_from_records` and `TableEncoder.encode`, and the same warnings.
Only what is plain is read here: whatever else a value may be, and whether it is wrong, is for those two to say.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding.array_columns import column_of_records
from engine.encoding.array_encoder import ArrayEncoder
from engine.encoding.column_encoders import (
    BooleanEncoder,
    CategoricalEncoder,
    DatetimeEncoder,
    NumericEncoder,
    phases,
)
from engine.encoding.columns import FALSE, ISO, LARGEST, MISSING, TRUE
from engine.encoding.errors import InvalidValue, shown
from engine.encoding.scales import FARTHEST, AnyScale, Scale
from engine.encoding.table import AnyColumnEncoder, TableEncoder
from engine.encoding.text_encoder import TextEncoder

Row = NDArray[np.float32]
ReadColumn = Callable[[object, Row], str | None]
"""Writes a raw value into a row's part, all zeros so far; what is odd about the value. Raises `NotPlain`."""

SPACE = "".join(
    map(chr, (*range(9, 14), 32, 133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288))
)
"""White space by Unicode, which polars strips; Python would strip four separators besides."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_TIME = re.compile(ISO)
_MISSING = frozenset(MISSING)
_TRUTH = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)


class NotPlain(Exception):
    """A value that takes the way over a data frame."""


class RecordEncoder:
    """A `TableEncoder` made ready for few records. Any thread may use it."""

    def __init__(self, encoder: TableEncoder) -> None:
        self._names = tuple(column.name for column in encoder.columns)
        self._known = frozenset(self._names)
        self._width = encoder.width
        self._columns: list[tuple[str, slice, ReadColumn]] = []
        start = 0
        for column in encoder.columns:
            stop = start + column.width
            self._columns.append((column.name, slice(start, stop), _reader(column)))
            start = stop

    def encode(self, records: Sequence[Mapping[str, object]]) -> tuple[NDArray[np.float32], list[list[str]]]:
        """x (rows, width) and each row's warnings; raises `NotPlain`."""
        x = np.zeros((len(records), self._width), np.float32)
        return x, [self._encode(record, row) for record, row in zip(records, x, strict=True)]

    def named(self, values: Sequence[object]) -> dict[str, object]:
        """A record of values in the features' order; raises `NotPlain` for another number of them."""
        if len(values) != len(self._names):
            raise NotPlain
        return dict(zip(self._names, values, strict=True))

    def _encode(self, record: Mapping[str, object], row: Row) -> list[str]:
        warnings = []
        for name, part, read in self._columns:
            if (odd := read(record.get(name), row[part])) is not None:
                warnings.append(odd)
        if not record.keys() <= self._known:
            warnings += [
                f"unknown column {shown(name)} is ignored" for name in record if name not in self._known
            ]
        return warnings


def _reader(encoder: AnyColumnEncoder) -> ReadColumn:
    match encoder:
        case NumericEncoder():
            return _of_numbers(encoder)
        case CategoricalEncoder():
            return _of_categories(encoder)
        case BooleanEncoder():
            return _of_booleans(encoder)
        case DatetimeEncoder():
            return _of_times(encoder)
        case ArrayEncoder():
            return _of_arrays(encoder)
        case TextEncoder():
            return _of_texts(encoder)


def _of_numbers(encoder: NumericEncoder) -> ReadColumn:
    scale, warning = _of_one(encoder.scale), f"{encoder.name} is missing"
    missing = _rows_of(encoder, [None], pl.Float64())[0]

    def read(value: object, row: Row) -> str | None:
        number = _number(value)
        if number is None:
            row[:] = missing
            return warning
        row[0] = scale(number)
        return None

    return read


def _of_categories(encoder: CategoricalEncoder) -> ReadColumn:
    rows = dict(
        zip(
            encoder.categories,
            map(_entries, _rows_of(encoder, encoder.categories, pl.String())),
            strict=True,
        )
    )
    missing = _rows_of(encoder, [None], pl.String())[0]
    unseen = missing.copy()
    if encoder.marks_missing:
        unseen[-1] = 0

    def read(value: object, row: Row) -> str | None:
        text = _text(value)
        if text is None:
            row[:] = missing
            return f"{encoder.name} is missing"
        known = rows.get(text)
        if known is None:
            row[:] = unseen
            return f"unseen category {shown(text)} in {encoder.name}"
        for place, entry in known:
            row[place] = entry
        return None

    return read


def _of_booleans(encoder: BooleanEncoder) -> ReadColumn:
    values = (None, False, True)
    rows = dict(zip(values, _rows_of(encoder, values, pl.Boolean()), strict=True))

    def read(value: object, row: Row) -> str | None:
        truth = _truth(value)
        row[:] = rows[truth]
        return f"{encoder.name} is missing" if truth is None else None

    return read


def _of_times(encoder: DatetimeEncoder) -> ReadColumn:
    missing = _rows_of(encoder, [None], pl.Datetime("us"))[0]
    parts = [(_PARTS[part.part], _of_one(part.scale), phases(part.part)) for part in encoder.parts]

    def read(value: object, row: Row) -> str | None:
        time = _time(value)
        if time is None:
            row[:] = missing
            return f"{encoder.name} is missing"
        column = 0
        for take, scale, around in parts:
            number = take(time)
            row[column] = scale(float(number))
            column += 1
            if around is not None:
                row[column : column + 2] = around[number % len(around)]
                column += 2
        return None

    return read


def _of_arrays(encoder: ArrayEncoder) -> ReadColumn:
    feature = encoder.feature

    def read(value: object, row: Row) -> str | None:
        if value is None:
            return f"{encoder.name} is missing"
        try:
            series = column_of_records([value], feature)
        except InvalidValue:
            raise NotPlain from None
        encoder.encode(series, row[np.newaxis])
        return None

    return read


def _of_texts(encoder: TextEncoder) -> ReadColumn:
    def read(value: object, row: Row) -> str | None:
        text = _text(value)
        if text is None:
            return f"{encoder.name} is missing"
        encoder.write(text, row)
        return None

    return read


def _entries(row: Row) -> list[tuple[int, float]]:
    """The places of a row that are not 0 (-0.0 is not), and what stands there: of 256 columns mostly one."""
    places = np.flatnonzero(row.view(np.uint32)).tolist()
    return list(zip(places, row[places].tolist(), strict=True))


def _rows_of(encoder: AnyColumnEncoder, values: Sequence[object], dtype: pl.DataType) -> NDArray[np.float32]:
    """What the encoder makes of typed values, one row each."""
    out = np.zeros((len(values), encoder.width), np.float32)
    encoder.encode(pl.Series(encoder.name, values, dtype=dtype), out)
    return out


def _of_one(scale: AnyScale) -> Callable[[float], float]:
    """The scale of a single number: the same operations, which round alike in Python and in NumPy."""
    if not isinstance(scale, Scale):
        return lambda value: float(scale(np.array([value]))[0])
    center, factor = scale.center, scale.factor

    def clipped(value: float) -> float:
        return min(max(factor * (value - center), -FARTHEST), FARTHEST)

    def bounded(value: float) -> float:
        u = clipped(value)
        third = u / 3
        return u / sqrt(1 + third * third)

    return bounded if scale.bounded else clipped


# What each reads is what `records` and `columns` would: None is a missing value.


def _number(value: object) -> float | None:
    if type(value) is float:
        number = value
    elif type(value) is int and -(2**63) < value < 2**63:
        number = float(value)
    elif value is None:
        return None
    elif isinstance(value, str):
        text = value.strip(SPACE)
        if text in _MISSING:
            return None
        if _NUMBER.fullmatch(text) is None:
            raise NotPlain
        number = float(text)
    else:
        raise NotPlain
    return number if abs(number) <= LARGEST else None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        text = value.strip(SPACE)
        return None if text in _MISSING else text
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -(2**63) < value < 2**63:
        return str(value)
    if isinstance(value, float) and abs(value) < 2**53 and value.is_integer():
        return str(int(value))
    raise NotPlain


def _truth(value: object) -> bool | None:
    text = _text(value)
    if text is None:
        return None
    truth = _TRUTH.get(text.lower()) if text.isascii() else None
    if truth is None:
        raise NotPlain
    return truth


def _time(value: object) -> datetime | None:
    """In UTC, without what is smaller than a minute."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise NotPlain
    text = value.strip(SPACE)
    if text in _MISSING:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise NotPlain
    day, minute, second, _, offset = match.groups()
    try:
        time = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}").replace(
            tzinfo=_zone(offset)
        )
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotPlain from None


def _zone(offset: str | None) -> timezone:
    if offset is None or offset == "Z":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if minutes > 59:
        raise NotPlain
    size = timedelta(hours=hours, minutes=minutes)
    return timezone(-size if offset[0] == "-" else size)


_PARTS: dict[str, Callable[[datetime], int]] = {
    "year": lambda time: time.year,
    "month": lambda time: time.month,
    "day": lambda time: time.day,
    "weekday": datetime.isoweekday,
    "hour": lambda time: time.hour,
}
