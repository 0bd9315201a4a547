"""How much the columns of a table say about each other, pair by pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding.description import ColumnType
from engine.spec import InvalidSpec
from engine.statistics.associations import Codes, Numbers, correlation_ratio, cramers_v, pearson
from engine.statistics.reports import Correlated, CorrelatedColumn, CorrelationReport, Measure

ROWS_AT_MOST = 100_000
COLUMNS_AT_MOST = 50
LEFT_OUT_AT_MOST = 1000
CATEGORIES_AT_MOST = 100
"""Categories that are told apart, the most frequent ones; all others count as one."""
NUMBERS = frozenset({"numeric", "datetime"})
WORDS = frozenset({"categorical", "boolean"})


@dataclass(frozen=True)
class _Column:
    """A column as numbers, or as numbers of categories."""

    name: str
    type: ColumnType
    present: NDArray[np.bool_]
    values: Numbers | None  # 0 where missing
    codes: Codes | None


def correlation(
    frame: pl.DataFrame, types: Mapping[str, ColumnType], names: Sequence[str] | None = None
) -> CorrelationReport:
    """Of the columns that are named, or of the first 50 of numbers, times, categories and truth values.

    Raises `InvalidSpec` at `query/column` for too many names, and at `query/column/<place>` for one that is no such
    column.
    """
    if names is None:
        names = [name for name in types if types[name] in NUMBERS | WORDS][:COLUMNS_AT_MOST]
    else:
        names = list(dict.fromkeys(names))
        _check(names, types)
    some = frame[list(names)].gather_every(max(-(-frame.height // ROWS_AT_MOST), 1))
    columns = [_read(some[name], types[name]) for name in names]
    pairs = [_pair(first, second) for first, second in combinations(columns, 2)]
    return CorrelationReport(
        rows=frame.height,
        rows_used=some.height,
        columns=[CorrelatedColumn(name=column.name, type=column.type) for column in columns],
        left_out=[name for name in types if name not in set(names)][:LEFT_OUT_AT_MOST],
        pairs=sorted(pairs, key=lambda pair: -abs(pair.value) if pair.value is not None else 1),
    )


def _check(names: Sequence[str], types: Mapping[str, ColumnType]) -> None:
    if len(names) > COLUMNS_AT_MOST:
        raise InvalidSpec(
            f"{len(names)} columns are named; at most {COLUMNS_AT_MOST} are allowed", ("query", "column")
        )
    for place, name in enumerate(names):
        if name not in types:
            raise InvalidSpec(f"there is no column {name[:100]!r}", ("query", "column", place))
        if types[name] not in NUMBERS | WORDS:
            raise InvalidSpec(
                f"{name!r} is {types[name]}; numbers, times, categories and truth values have correlations",
                ("query", "column", place),
            )


def _read(series: pl.Series, kind: ColumnType) -> _Column:
    present = series.is_not_null().to_numpy()
    if kind in NUMBERS:
        numbers = series.dt.epoch("us") if series.dtype == pl.Datetime else series
        values = numbers.cast(pl.Float64).fill_null(0.0).to_numpy()
        return _Column(series.name, kind, present, values, None)
    words = series.cast(pl.String).alias("value")
    counts = words.drop_nulls().value_counts(name="count").sort("count", "value", descending=[True, False])
    place = {word: code for code, word in enumerate(counts["value"].head(CATEGORIES_AT_MOST))}
    codes = words.replace_strict(place, default=CATEGORIES_AT_MOST, return_dtype=pl.Int64)
    return _Column(series.name, kind, present, None, codes.fill_null(0).to_numpy())


def _pair(first: _Column, second: _Column) -> Correlated:
    both = first.present & second.present
    measure: Measure
    if first.values is not None and second.values is not None:
        measure, value = "pearson", pearson(first.values[both], second.values[both])
    elif first.codes is not None and second.codes is not None:
        measure, value = "cramers_v", cramers_v(first.codes[both], second.codes[both])
    else:
        words, numbers = (first, second) if first.codes is not None else (second, first)
        assert words.codes is not None
        assert numbers.values is not None
        measure, value = "correlation_ratio", correlation_ratio(words.codes[both], numbers.values[both])
    return Correlated(
        first=first.name, second=second.name, measure=measure, value=value, rows=int(np.count_nonzero(both))
    )
