"""The profile of a column of images or arrays: figures over all its numbers."""

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding.array_columns import shape_of, values_of
from engine.encoding.description import ColumnProfile, ColumnType

DIGEST_BYTES = 16


def profile_nested(series: pl.Series, kind: ColumnType) -> ColumnProfile:
    """Shape, missing rows, rows that differ, and minimum, maximum, mean and deviation of all numbers."""
    values = values_of(series.drop_nulls())
    column = ColumnProfile(
        name=series.name,
        type=kind,
        integer=False,
        missing=series.null_count(),
        distinct=len(set(digests(values))),
        shape=list(shape_of(series)),
    )
    if not len(values):
        return column
    mean = float(np.mean([row.mean(dtype=np.float64) for row in values]))
    square = float(np.mean([np.square(row - mean, dtype=np.float64).mean() for row in values]))
    figures = {
        "min": values.min().item(),
        "max": values.max().item(),
        "mean": mean,
        "std": float(np.sqrt(square)),
    }
    return column.model_copy(update=figures)


def digests(values: NDArray[np.generic]) -> list[bytes]:
    """A hash of each row's bytes: equal rows have equal ones."""
    return [blake2b(row.tobytes(), digest_size=DIGEST_BYTES).digest() for row in values]


def hashed(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with columns of arrays replaced by hashes of them, for which looking for equal rows is quick."""
    return pl.DataFrame(
        [_hashed(series) if isinstance(series.dtype, pl.Array) else series for series in frame]
    )


def _hashed(series: pl.Series) -> pl.Series:
    present = iter(digests(values_of(series.drop_nulls())))
    return pl.Series(
        series.name, [next(present) if there else None for there in series.is_not_null()], pl.Binary
    )
