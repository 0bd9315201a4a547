"""How a table differs from an earlier one, column by column."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from engine.encoding.columns import cast
from engine.encoding.description import ColumnType
from engine.encoding.errors import UnreadableTable, shown
from engine.statistics.distances import (
    Counts,
    Numbers,
    in_bins,
    index_by_chance,
    kolmogorov_smirnov,
    shares_differ,
    stability_index,
    total_variation,
)
from engine.statistics.reports import ColumnDrift, DriftCode, DriftReport, DriftWarning

ROWS_AT_MOST = 250_000
COLUMNS_AT_MOST = 1000
TENTHS = np.arange(1, 10) / 10
FEW_VALUES = 20
"""Numbers of at most so many different values are counted value by value."""
CATEGORIES_AT_MOST = 50
"""Categories with a bin of their own, the reference's most frequent ones; all others share one."""
NEW_CATEGORIES_AT_MOST = 20

DRIFT, MODERATE = 0.25, 0.1
"""Indices from which on a column is said to have moved (Siddiqi 2006), if chance alone does not reach them."""
MISSING_CHANGE = 0.05
OUT_OF_RANGE = 0.01
NUMBERS = frozenset({"numeric", "datetime"})
WORDS = frozenset({"categorical", "boolean"})


def drift(
    frame: pl.DataFrame,
    types: Mapping[str, ColumnType],
    reference: pl.DataFrame,
    reference_types: Mapping[str, ColumnType],
) -> DriftReport:
    """Compare a typed table with an earlier one. Text, images and arrays are compared by what is missing alone."""
    new = [name for name in types if name not in reference_types]
    gone = [name for name in reference_types if name not in types]
    both = [name for name in reference_types if name in types][:COLUMNS_AT_MOST]
    some, earlier = _at_most(frame), _at_most(reference)
    found = [_Column(some[name], earlier[name], reference_types[name], changed=types[name]) for name in both]
    columns = sorted((column.drift for column in found), key=lambda one: -1 if one.psi is None else -one.psi)
    warnings = [
        *(_warning("new_column", name, f"{name} is not in the reference") for name in new),
        *(_warning("missing_column", name, f"{name} is missing; the reference has it") for name in gone),
        *(warning for column in found for warning in column.warnings()),
    ]
    return DriftReport(
        rows=frame.height,
        reference_rows=reference.height,
        rows_compared=some.height,
        reference_rows_compared=earlier.height,
        columns=columns,
        new_columns=new[:COLUMNS_AT_MOST],
        missing_columns=gone[:COLUMNS_AT_MOST],
        warnings=warnings[:COLUMNS_AT_MOST],
    )


def _at_most(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.gather_every(max(-(-frame.height // ROWS_AT_MOST), 1))


def _warning(code: DriftCode, column: str, detail: str) -> DriftWarning:
    return DriftWarning(code=code, column=column, detail=detail)


class _Column:
    """One column of both tables."""

    def __init__(self, now: pl.Series, then: pl.Series, kind: ColumnType, *, changed: ColumnType) -> None:
        """`kind`: its type in the reference; `changed`: its type now."""
        self._now, self._then = (series.drop_nulls() for series in (now, then))
        self._missing = now.null_count(), len(now), then.null_count(), len(then)
        self._kind, self._changed = kind, changed
        figures: dict[str, object] = {}
        alike = _read_as(self._now, kind)
        if alike is not None and len(alike) and len(self._then):
            if kind in NUMBERS:
                figures = _of_numbers(_numbers(alike), _numbers(self._then))
            elif kind in WORDS:
                figures = _of_words(alike, self._then)
        self.drift = ColumnDrift(
            name=now.name,
            type=kind,
            missing=now.null_count() / max(len(now), 1),
            reference_missing=then.null_count() / max(len(then), 1),
            **figures,
        )

    def warnings(self) -> Iterator[DriftWarning]:
        """What is to be said of it, most serious first."""
        found = self.drift
        name = found.name
        if self._kind != self._changed:
            yield _warning("type_changed", name, f"{name} is {self._changed}; it was {self._kind}")
        if found.psi is not None and found.psi_by_chance is not None:
            if found.psi > max(DRIFT, found.psi_by_chance):
                yield _warning("drift", name, f"{name} has moved: its stability index is {found.psi:.2f}")
            elif found.psi > max(MODERATE, found.psi_by_chance):
                detail = f"{name} has moved somewhat: its stability index is {found.psi:.2f}"
                yield _warning("moderate_drift", name, detail)
        if self._missing_changed():
            detail = f"{name} is missing in {found.missing:.0%} of the rows; it was in {found.reference_missing:.0%}"
            yield _warning("missing_changed", name, detail)
        if found.new_categories:
            words = shown(", ".join(found.new_categories))
            share = f"{found.new_categories_share:.1%} of the values of {name}"
            detail = f"{share} are categories that the reference has not: {words}"
            yield _warning("new_categories", name, detail)
        # Of m values of one distribution, 2 / (m + 1) of the next ones lie beyond on average.
        if (found.out_of_range or 0.0) > max(OUT_OF_RANGE, 6 / (len(self._then) + 1)):
            detail = (
                f"{found.out_of_range:.1%} of the values of {name} lie beyond all values of the reference"
            )
            yield _warning("out_of_range", name, detail)

    def _missing_changed(self) -> bool:
        count, rows, reference, reference_rows = self._missing
        if not rows or not reference_rows:
            return False
        far = abs(self.drift.missing - self.drift.reference_missing) > MISSING_CHANGE
        return far and shares_differ(count, rows, reference, reference_rows)


def _read_as(series: pl.Series, kind: ColumnType) -> pl.Series | None:
    """The values as another type, where all of them can be read so."""
    try:
        return cast(series.to_frame(), {series.name: kind}).to_series()
    except UnreadableTable:
        return None


def _numbers(series: pl.Series) -> Numbers:
    if series.dtype == pl.Datetime:
        series = series.dt.epoch("us")
    return series.cast(pl.Float64).to_numpy()


def _counts(series: pl.Series, name: str) -> pl.DataFrame:
    """How often each value occurs, as the column `name`."""
    return series.cast(pl.String).alias("value").value_counts(name=name)


def _of_numbers(now: Numbers, then: Numbers) -> dict[str, object]:
    outside = np.count_nonzero((now < then.min()) | (now > then.max()))
    return {
        "distance": kolmogorov_smirnov(now, then),
        "measure": "kolmogorov_smirnov",
        "out_of_range": outside / len(now),
        **_index(*_binned(now, then)),
    }


def _binned(now: Numbers, then: Numbers) -> tuple[Counts, Counts]:
    """Counts by value and of all others, where the reference has few values; else by tenths of the reference."""
    values = np.unique(then)
    if len(values) > FEW_VALUES:
        edges = np.unique(np.quantile(then, TENTHS))
        return in_bins(now, edges), in_bins(then, edges)
    counts = np.array([np.count_nonzero(now == value) for value in values])
    reference = np.array([np.count_nonzero(then == value) for value in values])
    return np.append(counts, len(now) - counts.sum()), np.append(reference, 0)


def _of_words(now: pl.Series, then: pl.Series) -> dict[str, object]:
    both = _counts(then, "then").join(_counts(now, "now"), on="value", how="full", coalesce=True).fill_null(0)
    both = both.sort("then", "now", "value", descending=[True, True, False])
    counts, reference = both["now"].to_numpy(), both["then"].to_numpy()
    new = both.filter(pl.col("then") == 0)
    top = min(CATEGORIES_AT_MOST, both.height - new.height)
    return {
        "distance": total_variation(counts, reference),
        "measure": "total_variation",
        "new_categories": new["value"].head(NEW_CATEGORIES_AT_MOST).to_list(),
        "new_categories_share": new["now"].sum() / counts.sum(),
        **_index(
            np.append(counts[:top], counts[top:].sum()), np.append(reference[:top], reference[top:].sum())
        ),
    }


def _index(counts: Counts, reference: Counts) -> dict[str, object]:
    """The stability index; bins that are empty in both tables are none."""
    filled = (counts > 0) | (reference > 0)
    counts, reference = counts[filled], reference[filled]
    return {
        "psi": stability_index(counts, reference),
        "psi_by_chance": index_by_chance(int(counts.sum()), int(reference.sum()), len(counts)),
    }
