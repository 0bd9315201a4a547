"""A table -> the network's input: every feature through its own encoder, into one array of float32."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Shape, size
from engine.encoding.array_columns import shape_of
from engine.encoding.array_encoder import ArrayEncoder
from engine.encoding.blocks import Block
from engine.encoding.column_encoders import (
    ENCODERS,
    PARTS,
    AnyScalarEncoder,
    BooleanEncoder,
    CategoricalEncoder,
)
from engine.encoding.columns import cast
from engine.encoding.description import (
    NESTED,
    Categories,
    ColumnType,
    DatasetWarning,
    Feature,
    Scaling,
    Texts,
)
from engine.encoding.errors import NoUsableFeature
from engine.encoding.scales import MOST_QUANTILES, FitScale, QuantileScale, Scale
from engine.encoding.text_encoder import TextEncoder
from engine.spec import Spec

AnyColumnEncoder = Annotated[AnyScalarEncoder | ArrayEncoder | TextEncoder, Field(discriminator="kind")]
"""Any column's encoder, told apart by `kind`."""


QUANTILES = 400_000
"""Of all columns together: a model's file has to hold them."""


class TableEncoder(Spec):
    """The encoders of all features, in order; the same code encodes at training and at prediction."""

    columns: tuple[AnyColumnEncoder, ...] = Field(min_length=1)

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        types: Mapping[str, ColumnType],
        features: Sequence[str],
        *,
        scaling: Scaling = "standard",
        categories: Categories = "one_hot",
        texts: Texts = "leave_out",
        image_shape: Shape | None = None,
    ) -> tuple["TableEncoder", list[DatasetWarning]]:
        """Fit to the training rows of a typed `frame`.

        Features that say nothing (constants, no value at all, texts that share no word) are left out with a warning;
        numbers under `unit` and `none` stay though they are constant, so that each pixel keeps its place. Categories
        `by_size` are scaled as numbers are under `robust`, and else not at all. `image_shape`: that images are
        brought to where one column of them is the only feature and has another number of values.
        Raises `NoUsableFeature` when none is left and `UnreadableTable` for a name that is no column.
        """
        frame = cast(frame, {name: types.get(name, "text") for name in features})  # raises for no column
        scale_numbers = _fit_scale(scaling, frame, [name for name in features if types[name] == "numeric"])
        alike = scaling if scaling in ("robust", "quantile") else "standard"
        scale_dates = _fit_scale(alike, frame, [])
        scale_flags = scale_dates if scaling == "robust" else None
        encoders: list[AnyColumnEncoder] = []
        warnings: list[DatasetWarning] = []
        for name in features:
            left_out = _reason_to_leave_out(frame[name], types[name], scaling, texts)
            if left_out is not None:
                warnings.append(left_out)
                continue
            if (kind := types[name]) == "image" or kind == "array":
                shape = image_shape if kind == "image" and len(features) == 1 else None
                if shape is not None and size(shape) == size(shape_of(frame[name])):
                    shape = None  # the network's reshape layer makes do with it
                encoders.append(ArrayEncoder.fit_scaled(frame[name], kind, scaling, shape))
                continue
            if kind == "text":
                if (words := TextEncoder.fit_known(frame[name])).known:
                    encoders.append(words)
                else:
                    detail = f"{name} is left out: no word in it occurs in several rows, but not in all"
                    warnings.append(DatasetWarning(code="text_column", column=name, detail=detail))
                continue
            fit_scale = scale_numbers if types[name] == "numeric" else scale_dates
            by_size, kind_of = categories == "by_size", ENCODERS[types[name]]
            encoder: AnyScalarEncoder
            if by_size and issubclass(kind_of, CategoricalEncoder | BooleanEncoder):
                encoder = kind_of.fit_by_size(frame[name], scale_flags)
            else:
                encoder = kind_of.fit(frame[name], fit_scale)
            encoders.append(encoder)
            if isinstance(encoder, CategoricalEncoder):
                warnings += _rare_categories(frame[name], encoder)
        if not encoders:
            why = "; ".join(warning.detail for warning in warnings) or "none was given"
            raise NoUsableFeature(f"no usable feature: {why}")
        return cls(columns=tuple(encoders)), warnings

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Encode a typed frame as x (rows, width).

        Columns of another type are read as the feature's type, further columns are not looked at.
        Raises `UnreadableTable` for a missing column and for a value of an impossible type.
        """
        frame = cast(frame, {feature.name: feature.type for feature in self.features})
        x = np.zeros((frame.height, self.width), np.float32)
        start = 0
        for encoder in self.columns:
            stop = start + encoder.width
            encoder.encode(frame[encoder.name], x[:, start:stop])
            start = stop
        return x

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """What each column of x is, such as "island = Dream"."""
        return tuple(name for encoder in self.columns for name in encoder.output_names)

    @cached_property
    def places(self) -> dict[str, tuple[int, ...]]:
        """The columns of x that each feature has, by its name."""
        places: dict[str, tuple[int, ...]] = {}
        start = 0
        for encoder in self.columns:
            stop = start + encoder.width
            places[encoder.name] = tuple(range(start, stop))
            start = stop
        return places

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What the columns of x are to a network, in order."""
        return tuple(block for encoder in self.columns for block in encoder.blocks)

    @cached_property
    def width(self) -> int:
        """The number of columns of x."""
        return sum(encoder.width for encoder in self.columns)

    @cached_property
    def shape(self) -> Shape:
        """What a row of x is to a network: the shape of the only feature's images or arrays, else (width,)."""
        first = self.columns[0]
        return first.shape if len(self.columns) == 1 and isinstance(first, ArrayEncoder) else (self.width,)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The table's columns that are read, in the order of raw `inputs`."""
        return tuple(encoder.feature for encoder in self.columns)


def _fit_scale(scaling: Scaling, frame: pl.DataFrame, numbers: Sequence[str]) -> FitScale:
    """How a column's scale is found: from the column alone, or one for all of `numbers`."""
    if scaling == "quantile":
        return partial(QuantileScale.fit, most=min(MOST_QUANTILES, QUANTILES // max(len(numbers), 1)))
    if scaling in ("standard", "robust"):
        return partial(Scale.fit, scaling=scaling)
    sizes = (frame[name].cast(pl.Float64).abs().max() for name in numbers)
    largest = max((size for size in sizes if isinstance(size, float)), default=0.0)
    scale = Scale.common(largest if scaling == "unit" else 1.0)
    return lambda _: scale


def _reason_to_leave_out(
    series: pl.Series, kind: ColumnType, scaling: Scaling, texts: Texts
) -> DatasetWarning | None:
    name, missing = series.name, series.null_count()
    if kind == "text" and texts == "leave_out":
        detail = f"{name} holds free text and is left out"
        return DatasetWarning(code="text_column", column=name, detail=detail)
    if missing == len(series):
        detail = f"{name} has no value in the training rows and is left out"
        return DatasetWarning(code="all_missing", column=name, detail=detail)
    kept = kind in NESTED or (kind == "numeric" and scaling in ("unit", "none"))
    if not missing and not kept and series.n_unique() == 1:
        detail = f"{name} has the same value in all training rows and is left out"
        return DatasetWarning(code="constant_column", column=name, detail=detail)
    if kind == "datetime" and not missing and all(take(series).n_unique() == 1 for take in PARTS.values()):
        detail = f"{name} is left out: {', '.join(PARTS)} are the same in all training rows"
        return DatasetWarning(code="constant_column", column=name, detail=detail)
    return None


def _rare_categories(series: pl.Series, encoder: CategoricalEncoder) -> list[DatasetWarning]:
    distinct, kept = series.drop_nulls().n_unique(), len(encoder.categories)
    if distinct == kept:
        return []
    detail = f"{encoder.name} has {distinct} categories; only the {kept} most frequent are told apart"
    return [DatasetWarning(code="high_cardinality", column=encoder.name, detail=detail)]
