"""What the API says about a table and its columns. Without polars, so cheap to import."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

ColumnType = Literal["numeric", "categorical", "boolean", "datetime", "text", "image", "array"]

NESTED: frozenset[ColumnType] = frozenset({"image", "array"})
"""The types of columns that hold many numbers in each row."""

Scaling = Literal["standard", "robust", "quantile", "unit", "none"]
"""How numbers are brought to a common scale."""

Categories = Literal["one_hot", "by_size"]
"""How categories become numbers."""

Texts = Literal["n_grams", "leave_out"]
"""How texts become numbers."""

Label = StrictBool | StrictInt | StrictStr
"""The name of a class, in the type that its column has."""

WarningCode = Literal[
    "all_missing",
    "constant_column",
    "extreme_values",
    "duplicate_rows",
    "few_rows",
    "high_cardinality",
    "identical_columns",
    "identifier",
    "ignored_files",
    "infinite_values",
    "lone_class",
    "missing_target",
    "mixed_types",
    "mostly_missing",
    "rare_class",
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
    shape: tuple[int, ...] | None = Field(
        None, description="Of an array; of an image: height, width and channels. None for other types."
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
    type_confidence: float = Field(
        1.0,
        ge=0,
        le=1,
        description="1 less the share of the values that could be of another type: of words that most are numbers.",
    )
    type_reason: str | None = Field(None, description="Why the confidence is below 1.")
    integer: bool = Field(description="Numeric, and every value is a whole number.")
    missing: int
    distinct: int = Field(description="Different values, missing ones not counted.")
    approximate: bool = Field(
        False,
        description="Of more than 1,000,000 rows: whether figures are estimates: quantiles, histogram and outliers by "
        "a sample of at least 250,000 rows, more than 16,384 distinct values within about 2 %, and then top.",
    )
    min: int | float | str | None = Field(None, description="Date-times in ISO 8601.")
    max: int | float | str | None = None
    mean: float | None = None
    std: float | None = Field(
        None, description="Of the population: the squared deviations are divided by the number of values."
    )
    quantiles: dict[str, float] | None = Field(None, description="Linear interpolation between neighbours.")
    outliers: int | None = Field(
        None,
        description="Values more than 3 interquartile ranges below the lower or above the upper quartile; null where "
        "the quartiles are equal.",
    )
    top: list[ValueCount] | None = Field(
        None, description="The most frequent values, ties in order of value."
    )
    shape: list[int] | None = Field(
        None, description="Of an array in each row; of an image: height, width and channels."
    )
    histogram: Histogram | None = Field(None, description="Of at most 20 bins of equal width.")
