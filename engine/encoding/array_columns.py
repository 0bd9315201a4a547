"""Columns that hold an image or an array in each row: their dtypes, and how a prediction's values become them.

image   Array(UInt8, (height, width, channels)), channels 1 or 3
array   Array(Float32, shape)
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.arrays import Shape, size
from engine.encoding.description import ColumnType, Feature
from engine.encoding.errors import InvalidValue, UnreadableTable, shown
from engine.encoding.pictures import UnreadableImage, pixels_of_base64, png_base64, resized

VALUES_AT_MOST = 1 << 24
"""Numbers in one row of such a column."""
SHOWN_AT_MOST = 1000
"""Numbers of an array that are shown one by one."""


def series_of(name: str, values: NDArray[np.generic]) -> pl.Series:
    """A column from its values (rows, *shape), without a copy of each."""
    flat = pl.Series(name, values.reshape(len(values), -1))
    return flat.reshape(values.shape).alias(name)


def values_of(series: pl.Series) -> NDArray[np.generic]:
    """The values of a column without missing rows, (rows, *shape)."""
    values: NDArray[np.generic] = series.to_numpy()
    return values.reshape(len(series), *shape_of(series))


def shape_of(series: pl.Series) -> Shape:
    """The shape of one row's values."""
    dtype = series.dtype
    assert isinstance(dtype, pl.Array), "a column of images or arrays"
    return tuple(dtype.shape)


def is_nested(series: pl.Series) -> bool:
    """Whether each row holds an array of one shape."""
    return isinstance(series.dtype, pl.Array)


def infer_nested(series: pl.Series) -> tuple[pl.Series, ColumnType]:
    """The typed column of a column of arrays: bytes with a height, a width and 1 or 3 channels are images.

    Raises `UnreadableTable` for arrays of anything but finite numbers, and for empty and huge ones.
    """
    shape, name = shape_of(series), series.name
    if not 1 <= size(shape) <= VALUES_AT_MOST:
        raise UnreadableTable(
            f"column {name!r} holds arrays of shape {list(shape)}; 1 to {VALUES_AT_MOST:,} values are allowed",
            name,
        )
    present = values_of(series.drop_nulls())
    if present.dtype == np.uint8 and len(shape) == 3 and shape[-1] in (1, 3):
        return series, "image"
    if present.dtype.kind not in "iuf":
        raise UnreadableTable(f"column {name!r} holds arrays of {present.dtype}; numbers are expected", name)
    # Row by row, so that no second array of this size is needed
    whole = np.fromiter((np.isfinite(row).all() for row in present), bool, len(present))
    if not whole.all():
        row = int(np.flatnonzero(series.is_not_null().to_numpy())[whole.argmin()])
        raise UnreadableTable(
            f"column {name!r} holds a missing or infinite number in the array of row {row + 1}", name, row
        )
    return _of_dtype(series, pl.Array(pl.Float32, shape)), "array"


def cast_nested(series: pl.Series, kind: ColumnType) -> pl.Series:
    """The column read as images, as arrays, or as something else; raises `UnreadableTable` where it cannot be."""
    if not is_nested(series):
        raise UnreadableTable(
            f"column {series.name!r} cannot be {kind}: it holds one value in each row", series.name
        )
    typed, found = infer_nested(series)
    if kind == found:
        return typed
    if kind == "array":
        return _of_dtype(series, pl.Array(pl.Float32, shape_of(series)))
    expected = "images: bytes of height x width x 1 or 3" if kind == "image" else "one value in each row"
    raise UnreadableTable(
        f"column {series.name!r} cannot be {kind}: it holds arrays of shape {list(shape_of(series))}, not {expected}",
        series.name,
    )


def _of_dtype(series: pl.Series, dtype: pl.Array) -> pl.Series:
    return series if series.dtype == dtype else series.cast(dtype)


def shown_values(series: pl.Series) -> list[object]:
    """Each row's value as JSON: an image as a PNG file in base64, an array as nested lists or, if long, in figures."""
    dtype, values = series.dtype, iter(values_of(series.drop_nulls()))
    is_image = dtype == pl.Array(pl.UInt8, shape_of(series))
    return [(_shown(next(values), is_image=is_image) if there else None) for there in series.is_not_null()]


def _shown(value: NDArray[np.generic], *, is_image: bool) -> object:
    if is_image:
        return png_base64(value.astype(np.uint8, copy=False))
    if value.size <= SHOWN_AT_MOST:
        return value.tolist()
    return {
        "shape": list(value.shape),
        "mean": float(value.mean()),
        "min": float(value.min()),
        "max": float(value.max()),
    }


def column_of_records(values: Sequence[object], feature: Feature) -> pl.Series:
    """The typed column of a prediction's values: nested lists; for images also PNG or JPEG files in base64.

    Images of another size are brought to the feature's. None is a missing value. Raises `InvalidValue` for others.
    """
    assert feature.shape is not None, "a feature of this type"
    dtype = np.uint8 if feature.type == "image" else np.float32
    present = np.zeros((len(values), *feature.shape), dtype)
    missing = np.zeros(len(values), bool)
    for row, value in enumerate(values):
        if value is None:
            missing[row] = True
        else:
            present[row] = _value(value, row, feature)
    column = series_of(feature.name, present)
    if not missing.any():
        return column
    return column.to_frame().select(pl.when(pl.Series(~missing)).then(pl.first())).to_series()


def _value(value: object, row: int, feature: Feature) -> NDArray[np.generic]:
    shape = feature.shape or ()
    sides = " x ".join(map(str, shape))
    if feature.type == "image" and isinstance(value, str):
        try:
            return pixels_of_base64(value, shape)
        except UnreadableImage as error:
            raise InvalidValue(row, feature.name, f"{feature.name} is no image: {error}") from None
    files = " or a PNG or JPEG file in base64" if feature.type == "image" else ""
    expected = f"nested lists of {sides} numbers{files} expected in {feature.name}"
    if not isinstance(value, list):
        raise InvalidValue(row, feature.name, f"{expected}, got {shown(value)}")
    try:
        numbers = np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise InvalidValue(row, feature.name, f"{expected}, got lists of other things") from None
    if numbers.ndim == len(shape) - 1 and shape[-1] == 1:
        numbers = numbers[..., np.newaxis]
    fits = _is_image(numbers.shape) if feature.type == "image" else numbers.shape == shape
    if not fits or not _numbers_only(value):
        raise InvalidValue(
            row, feature.name, f"{expected}, got lists of {' x '.join(map(str, numbers.shape))}"
        )
    return _in_range(numbers, row, feature)


def _in_range(numbers: NDArray[np.float64], row: int, feature: Feature) -> NDArray[np.generic]:
    if feature.type == "array":
        if np.abs(numbers).max() > np.finfo(np.float32).max:
            raise InvalidValue(row, feature.name, f"{feature.name} holds a number that is too large")
        return numbers
    if numbers.min() < 0 or numbers.max() > 255:
        raise InvalidValue(row, feature.name, f"{feature.name}: a pixel's values go from 0 to 255")
    return resized(np.rint(numbers).astype(np.uint8), feature.shape or numbers.shape)


def _is_image(shape: Shape) -> bool:
    return len(shape) == 3 and shape[-1] in (1, 3) and size(shape) > 0


def _numbers_only(value: object) -> bool:
    """NumPy would take text and truth values for numbers, and null for NaN."""
    if isinstance(value, list):
        return all(map(_numbers_only, value))
    return isinstance(value, int | float) and not isinstance(value, bool)
