"""Columns that say the same as an earlier one: the same values, or values that correspond one to one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import polars as pl

from engine.encoding.description import NESTED, ColumnProfile

LEAST_ROWS = 10
"""In shorter tables columns agree by chance."""
NO_ROW = 2**32 - 1
"""In place of the first row with a missing value, which corresponds to no value."""
ROWS_A_VALUE = 2
"""Values that correspond one to one say something only where they repeat: so many rows each, on average."""


@dataclass(frozen=True)
class Twin:
    """A column and the first one that says the same."""

    column: str
    earlier: str
    is_equal: bool  # the same values; else they correspond one to one


def twins(frame: pl.DataFrame, columns: Sequence[ColumnProfile]) -> Iterator[Twin]:
    """In the table's order, each column with the first one that it repeats, if there is one.

    Only columns whose profiles agree are compared row by row. Constants, and correspondences of numbers with
    fractions, are not looked for.
    """
    if frame.height < LEAST_ROWS:
        return
    alike: defaultdict[object, list[ColumnProfile]] = defaultdict(list)
    for column in columns:
        if column.distinct > 1 and column.type not in NESTED:
            alike[_counts(column)].append(column)
    found = [twin for group in alike.values() if len(group) > 1 for twin in _in_group(frame, group)]
    places = {name: place for place, name in enumerate(frame.columns)}
    yield from sorted(found, key=lambda twin: places[twin.column])


def _counts(column: ColumnProfile) -> object:
    """What two columns that say the same have in common, as far as their profiles tell."""
    how_often = column.top and tuple(top.count for top in column.top)
    return column.missing, column.distinct, how_often, how_often or (column.type, column.min, column.max)


def _in_group(frame: pl.DataFrame, group: Sequence[ColumnProfile]) -> Iterator[Twin]:
    firsts: dict[bytes, str] = {}
    for column in group:
        series = frame[column.name]
        repeats = column.top is not None and ROWS_A_VALUE * column.distinct <= frame.height
        pattern = _pattern(series) if repeats else _digest(series.hash())
        earlier = firsts.setdefault(pattern, column.name)
        if earlier != column.name:
            is_equal = series.equals(frame[earlier], null_equal=True)
            if is_equal or repeats:
                yield Twin(column.name, earlier, is_equal)


def _pattern(series: pl.Series) -> bytes:
    """The same for columns whose values correspond one to one: each row as the first row with its value."""
    column = series.alias("value").to_frame().with_row_index("row")
    first = pl.when(pl.col("value").is_null()).then(NO_ROW).otherwise(pl.col("row").first().over("value"))
    return _digest(column.select(first.cast(pl.UInt32)).to_series())


def _digest(numbers: pl.Series) -> bytes:
    return blake2b(numbers.to_numpy().tobytes(), digest_size=16).digest()
