"""Child process: figures over whole tables."""

from pathlib import Path
from typing import Any

import polars as pl

from app.datasets.tables import read_spread
from app.problems import Invalid, NotFound
from engine.encoding import ColumnType
from engine.encoding.columns import cast
from engine.spec import InvalidSpec
from engine.statistics.correlation import ROWS_AT_MOST as CORRELATED
from engine.statistics.correlation import correlation
from engine.statistics.drift import ROWS_AT_MOST as COMPARED
from engine.statistics.drift import drift

Types = dict[str, ColumnType]


def drift_of(table: Path, types: Types, reference: Path, reference_types: Types) -> dict[str, Any]:
    """How a kept table differs from another one, a `DriftReport` as JSON; raises `NotFound` where one is deleted."""
    frame, rows = _typed(table, types, COMPARED)
    earlier, reference_rows = _typed(reference, reference_types, COMPARED)
    report = drift(frame, types, earlier, reference_types)
    return report.model_dump(mode="json") | {"rows": rows, "reference_rows": reference_rows}


def correlation_of(table: Path, types: Types, names: list[str] | None) -> dict[str, Any]:
    """How much its columns say about each other, a `CorrelationReport` as JSON.

    Raises `Invalid` for names that are no columns, and `NotFound` where the table was deleted.
    """
    frame, rows = _typed(table, types, CORRELATED)
    try:
        return correlation(frame, types, names).model_dump(mode="json") | {"rows": rows}
    except InvalidSpec as error:
        raise Invalid.spec(error) from None


def _typed(path: Path, types: Types, most: int) -> tuple[pl.DataFrame, int]:
    """At most so many rows, and how many there are."""
    try:
        frame, rows = read_spread(path, most)
    except FileNotFoundError:
        raise NotFound("the data set was deleted a moment ago") from None
    return cast(frame, types), rows  # a change that was cut off may have left other types
