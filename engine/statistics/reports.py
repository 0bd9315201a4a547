"""What drift and correlation look like in an answer. Without polars, so cheap to import."""

from typing import Literal

from pydantic import BaseModel, Field

from engine.encoding.description import ColumnType

DriftCode = Literal[
    "drift",
    "missing_changed",
    "missing_column",
    "moderate_drift",
    "new_categories",
    "new_column",
    "out_of_range",
    "type_changed",
]


class DriftWarning(BaseModel):
    """One remark about a column: a code for programs and a sentence for people."""

    code: DriftCode
    column: str
    detail: str


class ColumnDrift(BaseModel):
    """How far a column has moved. Figures that make no sense for its type, or without a value, are null."""

    name: str
    type: ColumnType = Field(description="In the reference.")
    psi: float | None = Field(
        None,
        description="Population stability index: sum (p - q) ln(p / q) over tenths of the reference's values, over its "
        "values where they are at most 20, or over its most frequent categories; half a row is added to each bin.",
    )
    psi_by_chance: float | None = Field(
        None, description="What samples of one distribution, as large as these, stay below 99 times of 100."
    )
    distance: float | None = Field(None, description="From 0, the same, to 1, nothing in common.")
    measure: Literal["kolmogorov_smirnov", "total_variation"] | None = Field(
        None,
        description="Of numbers and times max |F - G| of their distributions; of categories and truth values "
        "sum |p - q| / 2 over the categories.",
    )
    missing: float = Field(description="Share of the rows.")
    reference_missing: float
    out_of_range: float | None = Field(
        None, description="Share of the values below the reference's smallest or above its largest."
    )
    new_categories: list[str] | None = Field(
        None, description="Categories that the reference has not, the most frequent first, at most 20."
    )
    new_categories_share: float | None = Field(None, description="Share of the values that are such.")


class DriftReport(BaseModel):
    """How a data set differs from another one."""

    rows: int
    reference_rows: int
    rows_compared: int = Field(description="Of a longer table at most 250,000, evenly spread.")
    reference_rows_compared: int
    columns: list[ColumnDrift] = Field(
        description="Those that both have, the largest index first; 1,000 at most."
    )
    new_columns: list[str] = Field(description="Those that the reference has not, the first 1,000.")
    missing_columns: list[str] = Field(description="Those that the reference alone has, the first 1,000.")
    warnings: list[DriftWarning] = Field(description="What to look at, the first 1,000.")


Measure = Literal["pearson", "cramers_v", "correlation_ratio"]


class Correlated(BaseModel):
    """How much one column says about another."""

    first: str
    second: str
    measure: Measure
    value: float | None = Field(
        description="From -1 to 1 for pearson, else from 0 to 1; null where one of the columns is constant."
    )
    rows: int = Field(description="Rows in which both have a value.")


class CorrelatedColumn(BaseModel):
    """A column that was looked at."""

    name: str
    type: ColumnType


class CorrelationReport(BaseModel):
    """How much the columns of a data set say about each other."""

    rows: int
    rows_used: int = Field(description="Of a longer table at most 100,000, evenly spread.")
    columns: list[CorrelatedColumn]
    left_out: list[str] = Field(
        description="Columns that were not looked at: of other types, or beyond the first 50 where none were named; "
        "the first 1,000."
    )
    pairs: list[Correlated] = Field(
        description="Of all columns, the strongest first. pearson: of numbers and times. cramers_v: of categories and "
        "truth values, corrected for chance (Bergsma 2013). correlation_ratio: of a number and a category, the root "
        "of the share of the number's variance that lies between the categories."
    )
