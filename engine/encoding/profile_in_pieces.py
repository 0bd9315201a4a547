"""The profile of a table of more rows than are profiled in memory: one look at every piece, at a flat cost in memory.

Distinct counts and repeated rows come from sketches; quantiles, histograms and outliers from a sample of rows that is
the same every time. Missing values, ranges, means and deviations are exact, and so are the counts of the most frequent
values of a column with few.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from engine.encoding.columns import kind_of_words
from engine.encoding.description import ColumnProfile, ColumnType, DatasetWarning, Histogram, ValueCount
from engine.encoding.profile import (
    QUANTILES,
    TOP_AT_MOST,
    bin_edges,
    column_warnings,
    duplicates_warning,
    iso,
    outlying,
    twin_warning,
)
from engine.encoding.sketches import DistinctSketch, Hashes, Moments, RowSample
from engine.encoding.twins import Twin, twins
from engine.encoding.type_confidence import confidence_of

EXACT_ROWS = 1_000_000
"""Tables of more rows are profiled in pieces."""
SAMPLE_ROWS = 500_000
SAMPLE_VALUES = 20_000_000
"""Of all columns together, in the sample."""
_FACTOR = np.uint64(
    0x9E3779B97F4A7C15
)  # odd: 2^64 over the golden ratio, as in Knuth's multiplicative hashing

Profiled = tuple[list[ColumnProfile], list[DatasetWarning]]


class TableSketch:
    """All that is gathered of a typed table, whose columns hold one value a row."""

    def __init__(self, dtypes: Mapping[str, pl.DataType]) -> None:
        self.rows = 0
        self._columns = [_ColumnSketch(name, dtype) for name, dtype in dtypes.items()]
        self._row_hashes = DistinctSketch()
        self._sample = RowSample(min(SAMPLE_ROWS, max(SAMPLE_VALUES // max(len(dtypes), 1), 1)))

    def add(self, piece: pl.DataFrame) -> None:
        """Take the next rows."""
        odd = 2 * np.arange(self.rows, self.rows + piece.height, dtype=np.uint64) + 1
        hashes = [series.to_numpy() for series in piece.select(pl.all().hash())]
        for column, series, hashed in zip(self._columns, piece, hashes, strict=True):
            column.add(series, hashed, odd)
        self._row_hashes.add(_mixed(hashes, piece.height))
        self._sample.add(piece)
        self.rows += piece.height

    def profile(self, types: Mapping[str, ColumnType], characters: Mapping[str, int]) -> Profiled:
        """The columns' profiles, and the warnings about columns, then about rows.

        `characters`: of each column of words that may turn out as text, the characters in all.
        """
        sample = self._sample.rows
        columns = []
        for column, series in zip(self._columns, sample, strict=True):
            kind = types[column.name]
            if column.name in characters:
                present = self.rows - column.missing
                kind = kind_of_words(column.distinct.distinct, present, characters[column.name])
            columns.append(column.profile(kind, series.alias("value").drop_nulls(), self.rows))
        warnings = [warning for column in columns for warning in column_warnings(column, self.rows)]
        warnings += [twin_warning(twin) for twin in self._twins(sample, columns)]
        if repeated := self._row_hashes.repeated:
            about = "" if self._row_hashes.is_exact else "about "
            warnings.append(duplicates_warning(f"{about}{repeated}"))
        return columns, warnings

    def _twins(self, sample: pl.DataFrame, columns: list[ColumnProfile]) -> Iterator[Twin]:
        """Columns that say the same in the sample; those of the same values there, if they have them in all rows."""
        digests = {column.name: column.digest for column in self._columns}
        for twin in twins(sample, columns):
            if not twin.is_equal or digests[twin.column] == digests[twin.earlier]:
                yield twin


class _ColumnSketch:
    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self.name = name
        self.distinct = DistinctSketch()
        self.missing = 0
        self.digest = 0  # of all values in their order: the same for the same columns
        self._dtype = dtype
        self._moments = Moments()
        self._low: Any = None
        self._high: Any = None

    def add(self, series: pl.Series, hashes: Hashes, odd: Hashes) -> None:
        """Take values, the hash of each, and an odd number that each row has for its own."""
        series = series.alias("value")  # polars takes some names of columns for patterns
        self.digest = (self.digest + int(np.dot(hashes, odd))) % 2**64
        present = series
        if series.has_nulls():
            self.missing += series.null_count()
            present = series.drop_nulls()
            self.distinct.add(hashes[series.is_not_null().to_numpy()])
        else:
            self.distinct.add(hashes)
        if self._dtype.is_numeric() or self._dtype.is_temporal():
            self._see_range(present)
        if self._dtype.is_numeric():
            self._moments.add(present.cast(pl.Float64).to_numpy())

    def _see_range(self, present: pl.Series) -> None:
        low: Any = present.min()
        high: Any = present.max()
        if low is not None:
            self._low = low if self._low is None else min(self._low, low)
            self._high = high if self._high is None else max(self._high, high)

    def profile(self, kind: ColumnType, sample: pl.Series, rows: int) -> ColumnProfile:
        """The profile, with the sample's values that are there."""
        sure = confidence_of(sample, kind)
        column = ColumnProfile(
            name=self.name,
            type=kind,
            type_confidence=sure.confidence,
            type_reason=sure.reason,
            integer=self._dtype == pl.Int64,
            missing=self.missing,
            distinct=min(self.distinct.distinct, rows - self.missing),
            approximate=(kind == "numeric" and self.missing < rows) or not self.distinct.is_exact,
        )
        figures: dict[str, object] = {}
        if sample.is_empty():
            return column
        scale = (rows - self.missing) / len(sample)
        if kind == "numeric":
            figures |= {
                "min": self._low,
                "max": self._high,
                "mean": self._moments.mean,
                "std": self._moments.std,
            }
            figures |= self._spread(sample.cast(pl.Float64).to_numpy(), scale, integer=column.integer)
        if kind == "datetime":
            figures |= {"min": iso(self._low), "max": iso(self._high)}
        if column.integer or kind in {"categorical", "boolean"}:
            figures["top"] = self._top(sample, scale)
        return column.model_copy(update=figures)

    def _spread(self, values: np.ndarray, scale: float, *, integer: bool) -> dict[str, object]:
        """Quantiles, outliers and histogram of a sample, whose values stand for `scale` values each."""
        quantiles = np.quantile(values, QUANTILES)
        lower, upper = float(quantiles[1]), float(quantiles[3])
        outliers = outlying(values, lower, upper)
        if outliers is not None:  # the ends are known, whether they are in the sample or not
            ends = outlying(np.array([self._low, self._high], np.float64), lower, upper) or 0
            outliers = max(round(outliers * scale), ends)
        edges = bin_edges(float(self._low), float(self._high), integer=integer)
        # Bins that numpy knows to be of equal width take it a seventh of the time.
        bins, limits = len(edges) - 1, (edges[0], edges[-1])
        counts, _ = np.histogram(values, bins, limits) if bins > 1 else np.histogram(values, edges)
        return {
            "quantiles": {str(q): float(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
            "outliers": outliers,
            "histogram": Histogram(edges=edges.tolist(), counts=np.rint(counts * scale).astype(int).tolist()),
        }

    def _top(self, sample: pl.Series, scale: float) -> list[ValueCount]:
        """The most frequent values: counted where all are, else about as often as in the sample."""
        counts = sample.alias("value").value_counts(name="count")
        if self.distinct.is_exact:
            frequent = self.distinct.frequent(TOP_AT_MOST)
            counts = counts.with_columns(count=pl.col("value").hash().replace_strict(frequent, default=None))
            counts = counts.drop_nulls("count")
        ordered = counts.sort("count", "value", descending=[True, False]).head(TOP_AT_MOST)
        if not self.distinct.is_exact:
            ordered = ordered.with_columns((pl.col("count") * scale).round().cast(pl.Int64))
        return [ValueCount(value=value, count=count) for value, count in ordered.iter_rows()]


def _mixed(columns: Iterable[Hashes], rows: int) -> Hashes:
    """A hash of each row from those of its values, in order: ((h_1 f + h_2) f + h_3) f + ..., modulo 2^64."""
    mixed = np.zeros(rows, np.uint64)
    for hashes in columns:
        np.multiply(mixed, _FACTOR, out=mixed)
        np.add(mixed, hashes, out=mixed)
    return mixed
