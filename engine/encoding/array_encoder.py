"""A column of images or arrays -> its numbers side by side, standardised."""

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape, size
from engine.encoding.array_columns import shape_of, values_of
from engine.encoding.column_encoders import ColumnEncoder
from engine.encoding.description import Feature, Scaling
from engine.encoding.errors import UnreadableTable
from engine.encoding.pictures import resized
from engine.encoding.scales import FARTHEST

PLACES_AT_MOST = 4096
"""Places of the last axis that have a scale of their own; where there are more, all share one."""
VALUES_AT_A_TIME = 1 << 20


class ArrayEncoder(ColumnEncoder):
    """u = factor_c (x - center_c), c the place along the last axis: a channel, a series' variable, an element.

    standard, robust and quantile alike: center = mean and factor = 1 / standard deviation (of the population) over
    all training rows and places before the last axis; 0 for a constant. unit: center 0, factor 1/255 for images and
    1 / the largest size for arrays. none: the numbers as they are. A missing row is all zeros, as if every number
    were its mean. Images of another shape are brought to this one first.
    """

    kind: Literal["image", "array"]
    shape: tuple[PositiveInt, ...]
    centers: tuple[float, ...] = Field(description="One a place of the last axis, or one for all.")
    factors: tuple[float, ...]

    @classmethod
    def fit_scaled(
        cls, series: pl.Series, kind: Literal["image", "array"], scaling: Scaling, shape: Shape | None = None
    ) -> "ArrayEncoder":
        """Fit to the training rows of a typed column, some of which are not missing.

        `shape`: the one that images are to have; None: their own.
        """
        values = values_of(series.drop_nulls())
        if shape is not None:
            values = _of_shape(values, shape)
        shape = values.shape[1:]
        if scaling in ("standard", "robust", "quantile"):
            centers, factors = _standard(values if shape[-1] <= PLACES_AT_MOST else values[..., np.newaxis])
        elif scaling == "unit":
            largest = 255.0 if kind == "image" else _largest(values)
            centers, factors = (0.0,), (1 / largest if largest else 1.0,)
        else:
            centers, factors = (0.0,), (1.0,)
        return cls(
            kind=kind, name=series.name, marks_missing=False, shape=shape, centers=centers, factors=factors
        )

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """The column's name with each place, such as "image[0,27,0]"."""
        return tuple(f"{self.name}[{','.join(map(str, place))}]" for place in np.ndindex(self.shape))

    @property
    def width(self) -> int:
        """The numbers of a row."""
        return size(self.shape)

    @property
    def feature(self) -> Feature:
        """The column with the shape of its values."""
        return Feature(name=self.name, type=self.kind, shape=self.shape)

    def encode(self, series: pl.Series, out: Array) -> None:
        """Write a typed column into out (rows, width), all zeros so far; raises as `encode_values`."""
        self.encode_values(series, out)

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """Scale and write; raises `UnreadableTable` for values of another shape."""
        if shape_of(series) != self.shape and self.kind != "image":
            raise UnreadableTable(
                f"column {series.name!r} holds values of shape {list(shape_of(series))}, "
                f"but the model takes {list(self.shape)}",
                series.name,
            )
        present = np.flatnonzero(series.is_not_null().to_numpy())
        places = self.width // len(self.centers)  # not -1: there may be no row
        values = values_of(series.drop_nulls())
        for part in _parts(values):
            numbers = _of_shape(values[part], self.shape).reshape(-1, places, len(self.centers))
            with np.errstate(over="ignore"):  # what is beyond float64 is clipped like anything far away
                scaled = (numbers - np.array(self.centers)) * np.array(self.factors)
            rows = present[part]
            out[rows] = scaled.clip(-FARTHEST, FARTHEST).reshape(len(rows), -1)


def _of_shape(values: NDArray[np.generic], shape: Shape) -> NDArray[np.generic]:
    """Images (rows, height, width, channels) as images of `shape`; what has it already stays."""
    if values.shape[1:] == shape:
        return values
    made = np.empty((len(values), *shape), np.uint8)
    for image, out in zip(values.astype(np.uint8, copy=False), made, strict=True):
        out[:] = resized(image, shape)
    return made


def _standard(values: NDArray[np.generic]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and 1 / standard deviation of each place of the last axis, from two passes in float64."""
    places = values.reshape(len(values), -1, values.shape[-1])
    count = places.shape[0] * places.shape[1]
    sums = sum(places[part].sum(axis=(0, 1), dtype=np.float64) for part in _parts(places))
    mean = np.asarray(sums) / count
    squares = sum(
        np.square(places[part].astype(np.float64) - mean).sum(axis=(0, 1)) for part in _parts(places)
    )
    deviation = np.sqrt(np.asarray(squares) / count)
    # A spread that rounding alone would give is none
    constant = deviation <= np.finfo(np.float32).eps * np.abs(mean)
    factors = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))
    return tuple(mean.tolist()), tuple(factors.tolist())


def _largest(values: NDArray[np.generic]) -> float:
    return max(float(np.abs(values[part]).max()) for part in _parts(values))


def _parts(values: NDArray[np.generic]) -> Iterator[slice]:
    """Runs of rows that are looked at together, since in float64 all would take much memory."""
    rows = max(1, VALUES_AT_A_TIME // max(1, size(values.shape[1:])))
    return (slice(start, start + rows) for start in range(0, len(values), rows))
