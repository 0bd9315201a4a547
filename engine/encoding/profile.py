"""What is in a table: a profile of every column, and what should be looked at before training on it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import cast

import numpy as np
import polars as pl

from engine.encoding.description import (
    NESTED,
    ColumnProfile,
    ColumnType,
    DatasetWarning,
    Histogram,
    ValueCount,
)
from engine.encoding.profile_arrays import hashed, profile_nested
from engine.encoding.twins import Twin, twins
from engine.encoding.type_confidence import confidence_of

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS_AT_MOST = 20
TOP_AT_MOST = 10

FEW_ROWS = 50  # fewer are warned about
MOSTLY_MISSING = 0.5  # a larger share is warned about
MIXED = 0.5  # words of which at least this share could be of another type are warned about
HIGH_CARDINALITY = 50  # more categories are warned about
FAR_OUT = 3.0  # interquartile ranges beyond the quartiles, from which on a value is an outlier
EXTREME = 100.0  # the same for a value that is warned about
IDENTIFIER_ROWS = 10  # in shorter tables distinct values mean nothing
ALL_BUT = 0.03  # of the values that an estimate may be short of all distinct ones


def profile(
    frame: pl.DataFrame, types: Mapping[str, ColumnType]
) -> tuple[list[ColumnProfile], list[DatasetWarning]]:
    """Profile the typed columns of `frame` and collect the warnings about columns, then about rows."""
    columns = [_profile_column(series, types[series.name]) for series in frame]
    warnings = [warning for column in columns for warning in column_warnings(column, frame.height)]
    found = twins(frame, columns)
    return columns, [*warnings, *map(twin_warning, found), *_row_warnings(frame)]


def _profile_column(series: pl.Series, kind: ColumnType) -> ColumnProfile:
    if kind in NESTED:
        return profile_nested(series, kind)
    present = series.alias("value").drop_nulls()  # polars takes some names for patterns
    integer = series.dtype == pl.Int64
    sure = confidence_of(present, kind)
    column = ColumnProfile(
        name=series.name,
        type=kind,
        type_confidence=sure.confidence,
        type_reason=sure.reason,
        integer=integer,
        missing=series.null_count(),
        distinct=present.n_unique(),
    )
    if present.is_empty():
        return column
    figures: dict[str, object] = {}
    if kind == "numeric":
        figures |= _numeric_figures(present)
    if kind == "datetime":
        figures |= {"min": iso(present.min()), "max": iso(present.max())}
    if integer or kind in {"categorical", "boolean"}:
        figures["top"] = _top(present)
    return column.model_copy(update=figures)


def _numeric_figures(present: pl.Series) -> dict[str, object]:
    values = present.cast(pl.Float64).to_numpy()
    quantiles = np.quantile(values, QUANTILES)
    return {
        "min": present.min(),
        "max": present.max(),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "quantiles": {str(q): float(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
        "outliers": outlying(values, float(quantiles[1]), float(quantiles[3])),
        "histogram": _histogram(values, integer=present.dtype == pl.Int64),
    }


def outlying(values: np.ndarray, lower: float, upper: float) -> int | None:
    """Values below Q1 - 3 (Q3 - Q1) or above Q3 + 3 (Q3 - Q1), Tukey's far-out ones; None where Q1 = Q3."""
    reach = FAR_OUT * (upper - lower)
    if reach == 0:
        return None
    return int(np.count_nonzero(values < lower - reach) + np.count_nonzero(values > upper + reach))


def _histogram(values: np.ndarray, *, integer: bool) -> Histogram:
    edges = bin_edges(float(values.min()), float(values.max()), integer=integer)
    counts, _ = np.histogram(values, edges)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())


def bin_edges(low: float, high: float, *, integer: bool) -> np.ndarray:
    """Edges of at most 20 bins of equal width; few whole numbers have a bin each, around them.

    Floats without another one between them are not told apart: a constant has one bin of no width.
    """
    if integer and high - low < BINS_AT_MOST and high + 0.5 > high:
        return np.arange(low, high + 2) - 0.5
    if low < high:
        return np.unique(np.linspace(low, high, BINS_AT_MOST + 1))
    return np.array([low, high])


def _top(present: pl.Series) -> list[ValueCount]:
    counts = present.alias("value").value_counts(name="count")
    ordered = counts.sort("count", "value", descending=[True, False]).head(TOP_AT_MOST)
    return [ValueCount(value=value, count=count) for value, count in ordered.iter_rows()]


def iso(moment: object) -> str:
    """A date-time in ISO 8601."""
    return cast("datetime", moment).isoformat()


def column_warnings(column: ColumnProfile, rows: int) -> Iterator[DatasetWarning]:
    """What speaks against a column as a feature, most serious first."""
    name, values = column.name, rows - column.missing
    if not values:
        yield DatasetWarning(code="all_missing", column=name, detail=f"{name} has no value in any row")
        return
    if column.missing > MOSTLY_MISSING * rows:
        detail = f"{name} is missing in {column.missing} of {rows} rows"
        yield DatasetWarning(code="mostly_missing", column=name, detail=detail)
    if column.distinct == 1:
        detail = f"{name} has the same value in every row that has one"
        yield DatasetWarning(code="constant_column", column=name, detail=detail)
    if column.type_confidence <= MIXED and column.type_reason:
        detail = f"{name} is read as words: {column.type_reason}"
        yield DatasetWarning(code="mixed_types", column=name, detail=detail)
    if extreme := _extreme(column):
        detail = f"{name} has values such as {extreme:g}, far from the others: a mark for a missing value, or a slip?"
        yield DatasetWarning(code="extreme_values", column=name, detail=detail)
    if column.type == "text":
        detail = (
            f"{name} holds free text ({column.distinct} different values): it is read word by word, unless the "
            "network is your own"
        )
        yield DatasetWarning(code="text_column", column=name, detail=detail)
    if _is_identifier(column, values):
        none = "hardly any" if column.approximate else "no"
        detail = (
            f"{name} looks like an identifier: {none} value occurs twice. It predicts nothing in new rows"
        )
        yield DatasetWarning(code="identifier", column=name, detail=detail)
    elif column.type == "categorical" and column.distinct > HIGH_CARDINALITY:
        detail = f"{name} has {column.distinct} categories"
        yield DatasetWarning(code="high_cardinality", column=name, detail=detail)


def _extreme(column: ColumnProfile) -> float | None:
    """The value that is farthest from the quartiles, where it is extremely far."""
    if not column.outliers or column.quantiles is None:
        return None
    lower, upper = column.quantiles["0.25"], column.quantiles["0.75"]
    low, high = float(cast("float", column.min)), float(cast("float", column.max))
    distance, value = max((lower - low, low), (high - upper, high))
    return value if distance > EXTREME * (upper - lower) else None


def _is_identifier(column: ColumnProfile, values: int) -> bool:
    """All distinct: words, or whole numbers without a gap."""
    least = values * (1 - ALL_BUT) if column.approximate else values
    if column.distinct < least or values < IDENTIFIER_ROWS:
        return False
    if column.integer:
        return cast("int", column.max) - cast("int", column.min) == values - 1
    return column.type in {"categorical", "text"}


def twin_warning(twin: Twin) -> DatasetWarning:
    """What is to be said of a column that says the same as an earlier one."""
    detail = f"{twin.column} repeats {twin.earlier} in every row"
    if not twin.is_equal:
        detail = f"{twin.column} says the same as {twin.earlier}: their values correspond one to one"
    return DatasetWarning(code="identical_columns", column=twin.column, detail=detail)


def _row_warnings(frame: pl.DataFrame) -> Iterator[DatasetWarning]:
    if frame.height < FEW_ROWS:
        detail = f"{frame.height} rows are few: expect a rough model and a rough report"
        yield DatasetWarning(code="few_rows", column=None, detail=detail)
    if frame.width and (repeated := frame.height - hashed(frame).hash_rows().n_unique()):
        yield duplicates_warning(str(repeated))


def duplicates_warning(repeated: str) -> DatasetWarning:
    """What is to be said of so many rows that repeat another."""
    detail = f"{repeated} rows repeat an earlier row: training and validation rows may be the same"
    return DatasetWarning(code="duplicate_rows", column=None, detail=detail)
