"""The bodies of MLflow's and TensorFlow Serving's requests -> rows that know where they stand in them.

Sources: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally and
https://www.tensorflow.org/tfx/serving/api_rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.predictions.reading import Inputs, Records
from app.predictions.schemas import MAX_ROWS
from app.problems import Invalid, to_pointer
from engine.encoding import Feature, InvalidValue
from engine.spec import Path

Place = Callable[[int, str | None], Path]
"""Where the value of a row and a column stands."""


@dataclass(frozen=True)
class PlacedRecords(Records):
    """Rows by column name, from wherever in a body."""

    place: Place

    def located(self, error: InvalidValue, features: tuple[Feature, ...]) -> Invalid:
        """The error, with a pointer to the value."""
        return Invalid.at(to_pointer(self.place(error.row, error.column)), error.detail)


@dataclass(frozen=True)
class PlacedInputs(Inputs):
    """Rows of values in the features' order, from a list of any name."""

    field: str

    def located(self, error: InvalidValue, features: tuple[Feature, ...]) -> Invalid:
        """The error, with a pointer to the row."""
        return Invalid.at(f"/{self.field}/{error.row}", error.detail)


def mlflow_rows(sent: object) -> Records | Inputs:
    """The rows of a body for `/invocations`; raises `Invalid`."""
    match sent:
        case {"dataframe_split": {"columns": list(columns), "data": list(data)}}:
            return _split(columns, data)
        case {"dataframe_records": list(rows)}:
            return _listed("dataframe_records", rows)
        case {"instances": list(rows)}:
            return _listed("instances", rows)
        case {"inputs": dict(columns)}:
            return _by_column(columns)
        case {"inputs": list(rows)}:
            return _listed("inputs", rows)
    raise Invalid(
        "the body needs one of dataframe_split with its columns and data, dataframe_records, instances and inputs"
    )


def tensorflow_rows(sent: object) -> tuple[Records | Inputs, bool]:
    """The rows of a body for `:predict`, and whether it is by columns, as the answer is then; raises `Invalid`."""
    match sent:
        case {"instances": list(rows)}:
            return _listed("instances", rows), False
        case {"inputs": dict(columns)}:
            return _by_column(columns), True
        case {"inputs": list(rows)}:
            return _listed("inputs", rows), True
    raise Invalid("the body needs instances, one a row, or inputs, one a column")


def _listed(field: str, rows: list[Any]) -> Records | Inputs:
    _check_rows(f"/{field}", len(rows))
    if all(isinstance(row, dict) for row in rows):
        return PlacedRecords(rows, lambda row, column: (field, row, column or ""))
    if any(isinstance(row, dict) for row in rows):
        raise Invalid.at(f"/{field}", "all rows must be objects, or none")
    return PlacedInputs([row if isinstance(row, list) else [row] for row in rows], field)


def _split(columns: list[Any], data: list[Any]) -> Records:
    _check_rows("/dataframe_split/data", len(data))
    if not all(isinstance(column, str) for column in columns) or len(set(columns)) < len(columns):
        raise Invalid.at("/dataframe_split/columns", "names are expected, each once")
    for i, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            raise Invalid.at(f"/dataframe_split/data/{i}", f"a list of {len(columns)} values is expected")
    rows = [dict(zip(columns, row, strict=True)) for row in data]

    def place(row: int, column: str | None) -> Path:
        return "dataframe_split", "data", row, columns.index(column) if column in columns else 0

    return PlacedRecords(rows, place)


def _by_column(columns: dict[str, Any]) -> Records:
    lists = {name: values if isinstance(values, list) else [values] for name, values in columns.items()}
    counts = {len(values) for values in lists.values()}
    if len(counts) != 1:
        raise Invalid.at("/inputs", "all columns must have the same number of values")
    _check_rows("/inputs", counts.pop())
    rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    return PlacedRecords(rows, lambda row, column: ("inputs", column or "", row))


def _check_rows(pointer: str, rows: int) -> None:
    if not 1 <= rows <= MAX_ROWS:
        raise Invalid.at(pointer, f"1 to {MAX_ROWS:,} rows are allowed, there are {rows:,}")
