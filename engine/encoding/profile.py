"""What is in a table: a profile of every column, and what should be looked at before training on it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import cast

import numpy as np
import polars as pl

from engine.encoding.description import ColumnProfile, ColumnType, DatasetWarning, Histogram, ValueCount

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS_AT_MOST = 20
TOP_AT_MOST = 10

FEW_ROWS = 50  # fewer are warned about
MOSTLY_MISSING = 0.5  # a larger share is warned about
HIGH_CARDINALITY = 50  # more categories are warned about
IDENTIFIER_ROWS = 10  # in shorter tables distinct values mean nothing


def profile(
    frame: pl.DataFrame, types: Mapping[str, ColumnType]
) -> tuple[list[ColumnProfile], list[DatasetWarning]]:
    """Profile the typed columns of `frame` and collect the warnings about columns, then about rows."""
    columns = [_profile_column(series, types[series.name]) for series in frame]
    warnings = [warning for column in columns for warning in _column_warnings(column, frame.height)]
    return columns, [*warnings, *_row_warnings(frame)]


def _profile_column(series: pl.Series, kind: ColumnType) -> ColumnProfile:
    present = series.drop_nulls()
    integer = series.dtype == pl.Int64
    column = ColumnProfile(
        name=series.name,
        type=kind,
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
        figures |= {"min": _iso(present.min()), "max": _iso(present.max())}
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
        "histogram": _histogram(values, integer=present.dtype == pl.Int64),
    }


def _histogram(values: np.ndarray, *, integer: bool) -> Histogram:
    """At most 20 bins of equal width; few whole numbers have a bin each, around them.

    Floats without another one between them are not told apart: a constant has one bin of no width.
    """
    low, high = float(values.min()), float(values.max())
    if integer and high - low < BINS_AT_MOST and high + 0.5 > high:
        edges = np.arange(low, high + 2) - 0.5
    elif low < high:
        edges = np.unique(np.linspace(low, high, BINS_AT_MOST + 1))
    else:
        edges = np.array([low, high])
    counts, _ = np.histogram(values, edges)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())


def _top(present: pl.Series) -> list[ValueCount]:
    counts = present.alias("value").value_counts(name="count")
    ordered = counts.sort("count", "value", descending=[True, False]).head(TOP_AT_MOST)
    return [ValueCount(value=value, count=count) for value, count in ordered.iter_rows()]


def _iso(moment: object) -> str:
    return cast("datetime", moment).isoformat()


def _column_warnings(column: ColumnProfile, rows: int) -> Iterator[DatasetWarning]:
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
    if column.type == "text":
        detail = (
            f"{name} holds free text ({column.distinct} different values), which tables cannot learn from"
        )
        yield DatasetWarning(code="text_column", column=name, detail=detail)
    if _is_identifier(column, values):
        detail = f"{name} looks like an identifier: no value occurs twice. It predicts nothing in new rows"
        yield DatasetWarning(code="identifier", column=name, detail=detail)
    elif column.type == "categorical" and column.distinct > HIGH_CARDINALITY:
        detail = f"{name} has {column.distinct} categories"
        yield DatasetWarning(code="high_cardinality", column=name, detail=detail)


def _is_identifier(column: ColumnProfile, values: int) -> bool:
    """All distinct: words, or whole numbers without a gap."""
    if column.distinct < values or values < IDENTIFIER_ROWS:
        return False
    if column.integer:
        return cast("int", column.max) - cast("int", column.min) == values - 1
    return column.type in {"categorical", "text"}


def _row_warnings(frame: pl.DataFrame) -> Iterator[DatasetWarning]:
    if frame.height < FEW_ROWS:
        detail = f"{frame.height} rows are few: expect a rough model and a rough report"
        yield DatasetWarning(code="few_rows", column=None, detail=detail)
    if frame.width and (repeated := frame.height - frame.hash_rows().n_unique()):
        detail = f"{repeated} rows repeat an earlier row: training and validation rows may be the same"
        yield DatasetWarning(code="duplicate_rows", column=None, detail=detail)
