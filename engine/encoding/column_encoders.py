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
from engine.encoding.description import ColumnType, Feature
from engine.spec import Spec

CATEGORIES_AT_MOST = 256
"""Categories that have a column of their own: the most frequent ones; all others are like unknown ones."""
FARTHEST = 1e6
"""Scaled values are clipped to +-1e6: no finite input, however absurd, makes an infinite float32 later."""


class Scale(Spec):
    """Bring numbers to a common scale: u = factor (x - center), and in the robust form u / sqrt(1 + (u/3)^2).

    standard: center = mean, factor = 1 / standard deviation (of the population).
    robust: center = median, factor = 1 / (Q.75 - Q.25), or 2 / (max - min) where the quartiles are equal;
    Holzmueller et al. 2024, Better by Default, section 3.
    In these two the factor of a constant is 0.
    unit and none: center = 0 and one factor for all columns, see `common`.
    """

    center: float
    factor: float
    bounded: bool = Field(description="Whether u / sqrt(1 + (u/3)^2) follows, which keeps within +-3.")

    @classmethod
    def common(cls, largest: float) -> "Scale":
        """The scale that divides by `largest`, the size of the largest value of all columns (0: by 1)."""
        return cls(
            center=0.0, factor=1 / largest if largest >= np.finfo(np.float64).tiny else 1.0, bounded=False
        )

    @classmethod
    def fit(cls, values: Array, scaling: Literal["standard", "robust"]) -> "Scale":
        """Fit to values without missing ones; none at all make a constant."""
        if not len(values):
            return cls(center=0.0, factor=0.0, bounded=scaling == "robust")
        if scaling == "standard":
            center, spread = float(values.mean()), float(values.std())
        else:
            low, first, center, third, high = map(float, np.quantile(values, (0, 0.25, 0.5, 0.75, 1)))
            spread = third - first or (high - low) / 2
        constant = values.min() == values.max() or spread < np.finfo(np.float64).tiny
        return cls(center=center, factor=0.0 if constant else 1 / spread, bounded=scaling == "robust")

    def __call__(self, values: Array) -> Array:
        """Scale values, in float64."""
        u: Array = np.clip(self.factor * (values - self.center), -FARTHEST, FARTHEST)
        if self.bounded:
            u /= np.sqrt(1 + (u / 3) ** 2)
        return u


FitScale = Callable[[Array], Scale]
"""Makes the scale of a column of numbers from its values."""


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

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """Names of all output columns."""
        return self.value_names + ((f"{self.name} missing",) if self.marks_missing else ())

    def encode(self, series: pl.Series, out: Array) -> None:
        """Write a typed column into out (rows, len(output_names)), all zeros so far."""
        self.encode_values(series, out[:, : len(self.value_names)])
        if self.marks_missing and series.has_nulls():
            out[:, -1] = series.is_null().to_numpy()


class NumericEncoder(ColumnEncoder):
    """A scaled number; a missing one is the median of the training rows."""

    kind: Literal["numeric"] = "numeric"
    median: float
    scale: Scale

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
    """One column a category: 1 in the row's own, 0 in the others; unknown and missing are all zeros."""

    kind: Literal["categorical"] = "categorical"
    categories: tuple[str, ...]

    @classmethod
    def fit(cls, series: pl.Series, fit_scale: FitScale) -> "CategoricalEncoder":  # noqa: ARG003 - others scale
        """Take the categories of the training rows, sorted; the most frequent where they are too many."""
        counts = series.drop_nulls().alias("value").value_counts(name="count")
        frequent = counts.sort("count", "value", descending=[True, False]).head(CATEGORIES_AT_MOST)
        return cls(
            name=series.name,
            marks_missing=series.has_nulls(),
            categories=tuple(frequent["value"].sort()),
        )

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """One name a category."""
        return tuple(f"{self.name} = {category}" for category in self.categories)

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """Set the ones."""
        codes = _filled(series.cast(pl.Enum(self.categories), strict=False).to_physical(), -1)
        known = np.flatnonzero(codes >= 0)
        out[known, codes[known].astype(np.intp)] = 1

    @property
    def feature(self) -> Feature:
        """The column with its categories."""
        return Feature(name=self.name, type="categorical", categories=self.categories)


class BooleanEncoder(ColumnEncoder):
    """+1 for true, -1 for false, 0 for missing."""

    kind: Literal["boolean"] = "boolean"

    @classmethod
    def fit(cls, series: pl.Series, fit_scale: FitScale) -> "BooleanEncoder":  # noqa: ARG003 - others scale
        """Nothing to learn: 0 already says that a value is missing."""
        return cls(name=series.name, marks_missing=False)

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.name,)

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """One column of signs."""
        out[:, 0] = 2 * _filled(series, 0.5) - 1


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


class DatetimePart(Spec):
    """A part of a date that differs among the training rows."""

    part: Part
    median: float
    scale: Scale


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
            if scale.factor:
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
            if (period := PERIODS.get(part.part)) is not None:
                # From a table, so that a row's bits do not depend on the rows around it
                angles = 2 * np.pi * np.arange(period) / period
                phase = values.astype(np.intp) % period
                out[:, column] = np.sin(angles)[phase]
                out[:, column + 1] = np.cos(angles)[phase]
                column += 2


def _median(series: pl.Series) -> float:
    median = series.cast(pl.Float64).median()
    return float(median) if isinstance(median, float) else 0.0  # no value at all


def _filled(series: pl.Series, fill: float) -> Array:
    """As float64, with `fill` for missing values."""
    values = series.cast(pl.Float64).to_numpy()
    return np.where(np.isnan(values), fill, values) if series.has_nulls() else values


AnyColumnEncoder = Annotated[
    NumericEncoder | CategoricalEncoder | BooleanEncoder | DatetimeEncoder, Field(discriminator="kind")
]
"""Any column's encoder, told apart by `kind`."""

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
