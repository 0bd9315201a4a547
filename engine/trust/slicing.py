"""A table's rows by the values of its features: the parts on which a model is scored."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding.description import Feature
from engine.trust.slices import Part

FEATURES = 50
"""Features that are looked at, the first ones."""
VALUES = 10
"""Categories of a feature that are looked at, the most frequent ones."""
QUANTILES = (0.25, 0.5, 0.75)
"""Where numbers are cut; features with few different numbers are cut at fewer places."""


def parts(frame: pl.DataFrame, features: Sequence[Feature]) -> list[Part]:
    """The parts of a typed `frame`'s rows: each category, each quarter of the numbers, and what is missing."""
    return [
        part
        for feature in features[:FEATURES]
        for part in _parts(frame[feature.name].alias("value"), feature)
    ]


def _parts(values: pl.Series, feature: Feature) -> Iterator[Part]:
    match feature.type:
        case "numeric":
            yield from _quarters(values, feature.name)
        case "categorical" | "boolean":
            yield from _categories(values, feature.name)
        case _:
            return
    if values.null_count():
        yield Part(feature.name, None, None, None, values.is_null().to_numpy())


def _quarters(values: pl.Series, name: str) -> Iterator[Part]:
    numbers: NDArray[np.float64] = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    there = numbers[~np.isnan(numbers)]
    if not len(there):
        return
    cuts = [cut for cut in np.unique(np.quantile(there, QUANTILES)).tolist() if cut > there.min()]
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        inside = ~np.isnan(numbers)
        if low is not None:
            inside &= numbers >= low
        if high is not None:
            inside &= numbers < high
        yield Part(name, None, low, high, inside)


def _categories(values: pl.Series, name: str) -> Iterator[Part]:
    counted = values.drop_nulls().alias("value").value_counts(name="rows")
    frequent = counted.sort("rows", "value", descending=[True, False])["value"][:VALUES]
    for value in frequent.sort().to_list():
        yield Part(name, value, None, None, (values == value).fill_null(value=False).to_numpy())
