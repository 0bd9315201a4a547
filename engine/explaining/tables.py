"""Values of a table as the encoded columns that explanations work on."""

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.arrays import Array
from engine.encoding.records import frame_from_records
from engine.encoding.table import TableEncoder
from engine.explaining.base import Unexplainable
from engine.explaining.scores import Indices, Scores, Values

Known = NDArray[np.bool_]

ORDERED = frozenset({"numeric", "datetime"})
"""Types of columns whose values have an order and distances."""
SIMPLE = ORDERED | {"categorical", "boolean"}
"""Types of columns that take one value after the other."""


def sample(rows: int, most: int, seed: int = 0) -> Indices:
    """At most `most` of so many rows, drawn and in order."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def median_row(encoder: TableEncoder) -> Array:
    """The encoded row of no category, and of the training rows' medians (width,); nothing in it is missing."""
    missing, _ = frame_from_records([{}], encoder.features)
    row: Array = encoder.encode(missing)[0]
    for column in encoder.columns:
        if getattr(column, "marks_missing", False):
            row[encoder.places[column.name][-1]] = 0
    return row


def place_of(scores: Scores, name: str, field: str, types: frozenset[str] = SIMPLE) -> int:
    """A feature's place by its name; raises `Unexplainable` where there is none of one of `types`."""
    for place, feature in enumerate(scores.features):
        if feature.name == name:
            if feature.type in types:
                return place
            raise Unexplainable(f"{name} is {feature.type}; this needs one that is {_either(types)}", field)
    names = ", ".join(feature.name for feature in scores.features)
    raise Unexplainable(f"there is no feature {name[:100]!r}; the model reads {names[:1000]}", field)


def observed(column: pl.Series, points: int) -> pl.Series:
    """Values that occur: of numbers and dates at most `points`, evenly among the sorted rows; else all, sorted."""
    there = _plain(column).drop_nulls().sort()
    if there.is_empty():
        raise Unexplainable(f"{column.name} has no value in any row", "feature")
    if column.dtype in (pl.String, pl.Boolean):
        return there.unique().sort()
    places = np.round(np.linspace(0, len(there) - 1, points)).astype(np.intp)
    return there.gather(places).unique().sort()


def spread(column: pl.Series, points: int) -> pl.Series:
    """The same with numbers and dates evenly between the smallest and the largest value."""
    there = _plain(column).drop_nulls()
    if there.is_empty() or there.dtype in (pl.String, pl.Boolean):
        return observed(column, points)
    low, high = there.min(), there.max()
    if isinstance(low, datetime) and isinstance(high, datetime):
        steps = np.linspace(0, 1, points)
        return pl.Series([low + (high - low) * float(step) for step in steps]).unique().sort()
    return pl.Series(np.unique(np.linspace(float(str(low)), float(str(high)), points)))


def encoded_values(scores: Scores, row: pl.DataFrame, place: int, values: pl.Series) -> Array:
    """How the columns of the feature at `place` encode each of `values`: (values, columns).

    `row`: one row of the table, which lends the other features.
    """
    name = scores.features[place].name
    rows = pl.concat([row] * len(values)).with_columns(values.alias(name))
    x: Array = scores.model.encoder.encode(rows)
    return x[:, scores.groups[place]]


def intervals_of(column: pl.Series, edges: pl.Series) -> Indices:
    """Which interval (edge k, edge k + 1] each value lies in; the smallest edge belongs to the first."""
    found = _plain(edges).search_sorted(_plain(column), side="left")
    places = np.asarray(found).astype(np.intp) - 1
    return np.clip(places, 0, max(len(edges) - 2, 0))


def distances(column: pl.Series, own: object, values: pl.Series) -> Values:
    """How far each of `values` is from a record's own: in median absolute deviations of the column, or 0 and 1."""
    if own is None or column.dtype in (pl.String, pl.Boolean):
        return np.array([0.0 if value == own else 1.0 for value in values])
    numbers, alternatives = _numbers(_plain(column).drop_nulls()), _numbers(_plain(values))
    [number] = _numbers(pl.Series([own]))
    deviation = float(np.median(np.abs(numbers - np.median(numbers)))) or float(numbers.std()) or 1.0
    return np.asarray(np.abs(alternatives - number) / deviation)


def present(column: pl.Series) -> Known:
    """Which rows have a value."""
    return _plain(column).is_not_null().to_numpy()


def _plain(column: pl.Series) -> pl.Series:
    """Under another name: where polars works on a series by an expression, it takes "^a.*$" for a pattern."""
    return column.alias("values")


def _numbers(column: pl.Series) -> Values:
    if column.dtype == pl.Datetime:
        column = column.dt.epoch("us")
    return column.cast(pl.Float64).to_numpy()


def _either(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
