"""Predictions as the API sends them -> a table with a row each, whose columns are the same for every part of a file.

`probabilities.Adelie`, `interval.low`: what lies inside an answer under fixed names has columns of its own. Lists of
labels stay lists in Parquet and are JSON in CSV, and so is what has other names in other rows.
"""

import json
from collections.abc import Mapping, Sequence

import polars as pl

from app.batches.neutral import neutral

_FLAT = frozenset({"probabilities", "values", "interval", "intervals"})

Prediction = Mapping[str, object]


def answer_table(
    first_row: int, predictions: Sequence[Prediction], beside: Sequence[pl.Series], label: pl.DataType
) -> pl.DataFrame:
    """The table of predictions from row `first_row` of the data set on, with the columns that stand `beside` them.

    `label`: the type of the model's classes.
    """
    numbers = pl.Series("row", range(first_row, first_row + len(predictions)), pl.Int64)
    flat = [_flat(prediction) for prediction in predictions]
    names = dict.fromkeys(name for row in flat for name in row)
    columns = [_column(name, [row.get(name) for row in flat], label) for name in names]
    kept = [series.alias(f"input.{series.name}") for series in beside]
    return pl.DataFrame([numbers, *kept, *columns])


def _flat(prediction: Prediction) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in prediction.items():
        if name in _FLAT and isinstance(value, Mapping):
            flat |= _under(name, value)
        elif isinstance(value, Mapping):
            flat[name] = json.dumps(value)
        else:
            flat[name] = value
    return flat


def _under(name: str, value: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for inner, each in value.items():
        flat |= _under(f"{name}.{inner}", each) if isinstance(each, Mapping) else {f"{name}.{inner}": each}
    return flat


def _column(name: str, values: list[object], label: pl.DataType) -> pl.Series:
    kinds = {
        "label": label,
        "set": pl.List(label),
        "labels": pl.List(pl.String()),
        "warnings": pl.List(pl.String()),
        "anomaly": pl.Boolean(),
        "contributions": pl.String(),
    }
    return pl.Series(name, values, kinds.get(name, pl.Float64()))


def for_csv(table: pl.DataFrame) -> pl.DataFrame:
    """The same with lists as JSON, and no text that a spreadsheet would take for a formula."""
    return pl.DataFrame([_csv_column(series) for series in table])


def _csv_column(series: pl.Series) -> pl.Series:
    if isinstance(series.dtype, pl.List):
        texts = [None if value is None else json.dumps(list(value)) for value in series]
        series = pl.Series(series.name, texts, pl.String)
    if series.dtype == pl.String:
        series = pl.Series(series.name, [value and neutral(value) for value in series], pl.String)
    return series.alias(neutral(series.name))
