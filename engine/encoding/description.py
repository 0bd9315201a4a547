"""What the API says about a table and its columns. Without polars, so cheap to import."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

ColumnType = Literal["numeric", "categorical", "boolean", "datetime", "text"]

Scaling = Literal["standard", "robust", "unit", "none"]
"""How numbers are brought to a common scale."""

Label = StrictBool | StrictInt | StrictStr
"""The name of a class, in the type that its column has."""

WarningCode = Literal[
    "all_missing",
    "constant_column",
    "duplicate_rows",
    "few_rows",
    "high_cardinality",
    "identifier",
    "infinite_values",
    "lone_class",
    "missing_target",
    "mostly_missing",
    "text_column",
]


class DatasetWarning(BaseModel):
    """One remark about a data set that can be used: a code for programs and a sentence for people."""

    model_config = ConfigDict(frozen=True)

    code: WarningCode
    column: str | None = Field(description="Null where it concerns the rows.")
    detail: str


class Feature(BaseModel):
    """A column that a model reads, as whoever sends rows must know it."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: ColumnType
    categories: tuple[str, ...] | None = Field(
        None, description="The ones the model knows; None for other types."
    )


class ValueCount(BaseModel):
    """A value and the number of rows that hold it."""

    value: Label
    count: int


class Histogram(BaseModel):
    """Counts of the values between edges; the last bin holds its right edge as well."""

    edges: list[float] = Field(description="One more than counts.")
    counts: list[int]


class ColumnProfile(BaseModel):
    """What one column holds. Figures that make no sense for its type are null."""

    name: str
    type: ColumnType
    integer: bool = Field(description="Numeric, and every value is a whole number.")
    missing: int
    distinct: int = Field(description="Different values, missing ones not counted.")
    min: int | float | str | None = Field(None, description="Date-times in ISO 8601.")
    max: int | float | str | None = None
    mean: float | None = None
    std: float | None = Field(
        None, description="Of the population: the squared deviations are divided by the number of values."
    )
    quantiles: dict[str, float] | None = Field(None, description="Linear interpolation between neighbours.")
    top: list[ValueCount] | None = Field(
        None, description="The most frequent values, ties in order of value."
    )
    histogram: Histogram | None = Field(None, description="Of at most 20 bins of equal width.")
