"""One column of a table -> columns of numbers, fitted on training rows and saved with the model as JSON.

An encoder's first output columns are the values, its last one says "missing" (1) or not (0), where training
rows had missing values: at prediction a missing value is then nothing new to the network.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import polars as pl
from pydantic import Field

from engine.arrays import Array
from engine.encoding.blocks import Block
from engine.encoding.description import ColumnType, Feature
from engine.encoding.scales import AnyScale, FitScale
from engine.spec import Spec

CATEGORIES_AT_MOST = 256
"""Categories that have a column of their own: the most frequent ones; all others are like unknown ones."""
EMBEDDED_AT_MOST = 10_000
"""The same for categories that have a code, for a network that embeds it."""
ONE_HOT_AT_MOST = 8
"""Categories that have a column each where their number decides; more have a code."""


class ColumnEncoder(Spec):
    """The contract: `fit` on training rows, then `encode` any rows of the same type."""

    kind: ColumnType
    name: str
    marks_missing: bool = Field(description="Whether the last output column says that the value is missing.")

    @classmethod
    def fit(cls, series: pl.Series, fit_scale: FitScale) -> "ColumnEncoder":
        """Fit to the training rows of a typed column."""
        raise NotImplementedError

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """Names of the output columns, without the one for missing values."""
        raise NotImplementedError

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """Write the values into out (rows, len(value_names)), all zeros so far."""
        raise NotImplementedError

    @property
    def feature(self) -> Feature:
        """The column as whoever sends rows must know it."""
        return Feature(name=self.name, type=self.kind)

    @property
    def value_block(self) -> Block:
        """What the values are to a network."""
        return Block("number", len(self.value_names))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What all output columns are to a network."""
        return (self.value_block, Block("flag", 1)) if self.marks_missing else (self.value_block,)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """Names of all output columns."""
        return self.value_names + ((f"{self.name} missing",) if self.marks_missing else ())

    @property
    def width(self) -> int:
        """The number of output columns."""
        return len(self.output_names)

    def encode(self, series: pl.Series, out: Array) -> None:
        """Write a typed column into out (rows, width), all zeros so far."""
        self.encode_values(series, out[:, : len(self.value_names)])
        if self.marks_missing and series.has_nulls():
            out[:, -1] = series.is_null().to_numpy()


class NumericEncoder(ColumnEncoder):
    """A scaled number; a missing one is the median of the training rows."""

    kind: Literal["numeric"] = "numeric"
    median: float
    scale: AnyScale

    @classmethod
    def fit(cls, series: pl.Series, fit_scale: FitScale) -> "NumericEncoder":
        """Fit the median and the scale. The scale sees the filled column, as training will."""
        median = _median(series)
        return cls(
            name=series.name,
            marks_missing=series.has_nulls(),
            median=median,
            scale=fit_scale(_filled(series, median)),
        )

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.name,)

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """One scaled column."""
        out[:, 0] = self.scale(_filled(series, self.median))


class CategoricalEncoder(ColumnEncoder):
    """Categories as columns of numbers, in one of three forms.

    one_hot: one column a category, 1 in the row's own, 0 in the others; unknown and missing are all zeros.
    sign: one column for two categories, -1 for the first, +1 for the second; unknown and missing are 0.
    code: one column, 1 for the first category, 2 for the second and so on; unknown and missing are 0.
    """

    kind: Literal["categorical"] = "categorical"
    categories: tuple[str, ...]
    form: Literal["one_hot", "sign", "code"] = "one_hot"
    scales: tuple[AnyScale, ...] | None = Field(
        None, description="Of the values' columns, which follow; None: as they are."
    )

    @classmethod
    def fit(cls, series: pl.Series, fit_scale: FitScale) -> "CategoricalEncoder":  # noqa: ARG003 - others scale
        """Take the categories of the training rows, sorted; the most frequent where they are too many."""
        return cls(
            name=series.name,
            marks_missing=series.has_nulls(),
            categories=_categories(series, CATEGORIES_AT_MOST),
        )

    @classmethod
    def fit_by_size(cls, series: pl.Series, fit_scale: FitScale | None) -> "CategoricalEncoder":
        """Signs for two categories, one hot for up to 8, codes for more; signs and ones scaled by `fit_scale`."""
        categories = _categories(series, EMBEDDED_AT_MOST)
        form: Literal["one_hot", "sign", "code"] = "one_hot"
        if len(categories) == 2 or len(categories) > ONE_HOT_AT_MOST:
            form = "sign" if len(categories) == 2 else "code"
        encoder = cls(name=series.name, marks_missing=False, categories=categories, form=form)
        if form == "code" or fit_scale is None:
            return encoder
        out = np.zeros((len(series), encoder.width))
        encoder.encode_values(series, out)
        return encoder.model_copy(update={"scales": tuple(map(fit_scale, out.T))})

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """One name a category; for the other forms the column's own."""
        if self.form != "one_hot":
            return (self.name,)
        return tuple(f"{self.name} = {category}" for category in self.categories)

    @property
    def value_block(self) -> Block:
        """Codes or flags."""
        if self.form == "code":
            return Block("code", 1, len(self.categories) + 1)
        return Block("flag", len(self.value_names))

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """Set the ones, the signs or the codes."""
        codes = _filled(series.cast(pl.Enum(self.categories), strict=False).to_physical(), -1)
        known = np.flatnonzero(codes >= 0)
        match self.form:
            case "one_hot":
                out[known, codes[known].astype(np.intp)] = 1
            case "sign":
                out[known, 0] = 2 * codes[known] - 1
            case "code":
                out[known, 0] = codes[known] + 1
        for column, scale in zip(out.T, self.scales or (), strict=False):
            column[:] = scale(column)

    @property
    def feature(self) -> Feature:
        """The column with its categories."""
        return Feature(name=self.name, type="categorical", categories=self.categories)


def _categories(series: pl.Series, most: int) -> tuple[str, ...]:
    """The categories that occur, sorted; the most frequent where they are too many."""
    counts = series.drop_nulls().alias("value").value_counts(name="count")
    frequent = counts.sort("count", "value", descending=[True, False]).head(most)
    return tuple(frequent["value"].sort())


class BooleanEncoder(ColumnEncoder):
    """+1 for true, -1 for false, 0 for missing."""

    kind: Literal["boolean"] = "boolean"
    scale: AnyScale | None = Field(None, description="Follows; None: as they are.")

    @classmethod
    def fit(cls, series: pl.Series, fit_scale: FitScale) -> "BooleanEncoder":  # noqa: ARG003 - others scale
        """Nothing to learn: 0 already says that a value is missing."""
        return cls(name=series.name, marks_missing=False)

    @classmethod
    def fit_by_size(cls, series: pl.Series, fit_scale: FitScale | None) -> "BooleanEncoder":
        """The same, the signs scaled by `fit_scale`."""
        encoder = cls(name=series.name, marks_missing=False)
        if fit_scale is None:
            return encoder
        out = np.zeros((len(series), 1))
        encoder.encode_values(series, out)
        return encoder.model_copy(update={"scale": fit_scale(out[:, 0])})

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.name,)

    @property
    def value_block(self) -> Block:
        """A flag."""
        return Block("flag", 1)

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """One column of signs."""
        out[:, 0] = 2 * _filled(series, 0.5) - 1
        if self.scale is not None:
            out[:, 0] = self.scale(out[:, 0])


Part = Literal["year", "month", "day", "weekday", "hour"]

PARTS: dict[Part, Callable[[pl.Series], pl.Series]] = {
    "year": lambda series: series.dt.year(),
    "month": lambda series: series.dt.month(),
    "day": lambda series: series.dt.day(),
    "weekday": lambda series: series.dt.weekday(),  # Monday is 1
    "hour": lambda series: series.dt.hour(),
}
PERIODS: dict[Part, int] = {"month": 12, "weekday": 7, "hour": 24}
"""Parts that come around: December is next to January."""


def phases(part: Part) -> Array | None:
    """Sine and cosine of each value of a part that comes around (values, 2), by the value modulo its period.

    From a table, so that a row's bits do not depend on the rows around it.
    """
    if (period := PERIODS.get(part)) is None:
        return None
    angles = 2 * np.pi * np.arange(period) / period
    return np.stack([np.sin(angles), np.cos(angles)], axis=1)


class DatetimePart(Spec):
    """A part of a date that differs among the training rows."""

    part: Part
    median: float
    scale: AnyScale


class DatetimeEncoder(ColumnEncoder):
    """The parts of a date as scaled numbers, those that come around as sine and cosine as well.

    A missing time has the median of each part. Parts that are constant in the training rows (the hour of
    plain dates) are left out.
    """

    kind: Literal["datetime"] = "datetime"
    parts: tuple[DatetimePart, ...]

    @classmethod
    def fit(cls, series: pl.Series, fit_scale: FitScale) -> "DatetimeEncoder":
        """Fit the parts that differ."""
        parts = []
        for part, take in PARTS.items():
            values = take(series)
            median = _median(values)
            scale = fit_scale(_filled(values, median))
            if not scale.is_constant:
                parts.append(DatetimePart(part=part, median=median, scale=scale))
        return cls(name=series.name, marks_missing=series.has_nulls(), parts=tuple(parts))

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """One name a part, then its sine and cosine."""
        names = []
        for part in self.parts:
            name = f"{self.name} {part.part}"
            names += [name, f"{name} sine", f"{name} cosine"] if part.part in PERIODS else [name]
        return tuple(names)

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """Part after part. A median between two values is rounded down for the sine and the cosine."""
        column = 0
        for part in self.parts:
            values = _filled(PARTS[part.part](series), part.median)
            out[:, column] = part.scale(values)
            column += 1
            if (around := phases(part.part)) is not None:
                out[:, column : column + 2] = around[values.astype(np.intp) % len(around)]
                column += 2


def _median(series: pl.Series) -> float:
    median = series.cast(pl.Float64).median()
    return float(median) if isinstance(median, float) else 0.0  # no value at all


def _filled(series: pl.Series, fill: float) -> Array:
    """As float64, with `fill` for missing values."""
    values = series.cast(pl.Float64).to_numpy()
    return np.where(np.isnan(values), fill, values) if series.has_nulls() else values


AnyScalarEncoder = Annotated[
    NumericEncoder | CategoricalEncoder | BooleanEncoder | DatetimeEncoder, Field(discriminator="kind")
]
"""The encoder of any column of one value a row, told apart by `kind`."""

ENCODERS: dict[
    ColumnType,
    type[NumericEncoder] | type[CategoricalEncoder] | type[BooleanEncoder] | type[DatetimeEncoder],
] = {
    "numeric": NumericEncoder,
    "categorical": CategoricalEncoder,
    "boolean": BooleanEncoder,
    "datetime": DatetimeEncoder,
}
"""The encoder of each type that has one; text has none."""
