"""How sure it is that a column of words holds words, and not numbers or times with a few slips among them."""

from dataclasses import dataclass

import polars as pl

from engine.encoding.columns import parse
from engine.encoding.description import ColumnType
from engine.encoding.errors import shown

PROBE = 1000
"""Values that are read as each other type first; all of them are read only where most of these can be."""
MOSTLY = 0.5

_OTHERS: dict[ColumnType, str] = {
    "numeric": "numbers",
    "datetime": "dates or times",
    "boolean": "truth values",
}


@dataclass(frozen=True)
class Confidence:
    """How sure a type is: 1 less the share of the values that could be of another type, and why it is below 1."""

    confidence: float = 1.0
    reason: str | None = None


def confidence_of(present: pl.Series, kind: ColumnType) -> Confidence:
    """Of the values that are there of a typed column.

    Only words can be in doubt: other types have read every value. Where words could all be read as another type,
    they are words because somebody said so, and nothing is in doubt.
    """
    if present.dtype != pl.String or kind not in {"categorical", "text"} or present.is_empty():
        return Confidence()
    probe = present.head(PROBE)
    unread = {other: _unread(probe, other) for other in _OTHERS}
    nearest = min(unread, key=lambda other: unread[other].sum())
    share = 1 - unread[nearest].sum() / len(probe)
    if share == 0:
        return Confidence()
    if share < MOSTLY:
        return _doubt(probe, unread[nearest], nearest, first=len(probe) < len(present))
    return _doubt(present, _unread(present, nearest), nearest, first=False)


def _unread(values: pl.Series, kind: ColumnType) -> pl.Series:
    """Where a value cannot be read as `kind`."""
    return values.to_frame().select(parse(pl.first(), kind).is_null()).to_series()


def _doubt(values: pl.Series, unread: pl.Series, kind: ColumnType, *, first: bool) -> Confidence:
    no, total = int(unread.sum()), len(values)
    if no == 0:
        return Confidence()
    of = f"the first {total}" if first else str(total)
    example = shown(values[unread.arg_max() or 0])
    if 2 * no <= total:
        return Confidence(no / total, f"{no} of {of} values are no {_OTHERS[kind]}, such as {example}")
    return Confidence(no / total, f"{total - no} of {of} values are {_OTHERS[kind]}")
