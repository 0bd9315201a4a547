"""The profile of a table in a file, in pieces, beside that of the same table in memory."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from engine.encoding import ColumnProfile, profile_in_pieces
from engine.encoding.columns import infer
from engine.encoding.profile import profile
from engine.encoding.profile_in_pieces import TableSketch
from engine.encoding.sketches import DistinctSketch, Moments, RowSample

ROWS = 15_000


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    normal = rng.normal(size=ROWS)
    gaps = pl.Series(rng.random(ROWS) < 0.1)
    colours = rng.choice(["red", "green", "blue"], ROWS, p=[0.5, 0.3, 0.2])
    frame = pl.DataFrame(
        {
            "normal": pl.Series(normal).zip_with(~gaps, pl.Series([None], dtype=pl.Float64)),
            "^heavy$": np.exp(3 * normal),
            "whole": rng.integers(-5, 400, ROWS),
            "few": rng.integers(0, 3, ROWS),
            "id": np.arange(ROWS),
            "colour": pl.Series(colours).zip_with(~gaps, pl.Series([None], dtype=pl.String)),
            "colour again": pl.Series(colours).zip_with(~gaps, pl.Series([None], dtype=pl.String)),
            "shade": pl.Series(colours).replace_strict({"red": "r", "green": "g", "blue": "b"}),
            "truth": rng.random(ROWS) < 0.3,
            "moment": pl.Series(rng.integers(0, 10**9, ROWS) * 10**6).cast(pl.Datetime("us")),
            "note": [f"{number:x}" * 40 for number in rng.integers(0, 10**9, ROWS)],
            "nothing": pl.Series([None] * ROWS, dtype=pl.Float64),
            "constant": np.ones(ROWS),
        }
    )
    return pl.concat([frame.drop("id"), frame.drop("id").head(60)]).with_columns(
        pl.Series("id", np.arange(ROWS + 60))
    )


Profiled = tuple[list[ColumnProfile], list[str], list[ColumnProfile], list[str]]


@pytest.fixture
def both(table: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Profiled]:
    """In memory and in pieces, with samples of at most so many rows; columns, and the sentences of all warnings."""

    def profiled(sampled: int, frame: pl.DataFrame = table) -> Profiled:
        monkeypatch.setattr(profile_in_pieces, "SAMPLE_ROWS", sampled)
        frame, types, _ = infer(frame)
        words = {
            name: frame[name].str.len_chars().sum()
            for name, kind in types.items()
            if kind in {"categorical", "text"}
        }
        sketch = TableSketch(frame.schema)
        for piece in frame.iter_slices(7919):
            sketch.add(piece)
        (a, first), (b, second) = profile(frame, types), sketch.profile(types, words)
        return a, [warning.detail for warning in first], b, [warning.detail for warning in second]

    return profiled


def test_the_same_where_the_sample_holds_all_rows(both: Callable[..., Profiled]) -> None:
    in_memory, warnings, in_pieces, others = both(10**6)
    for exact, found in zip(in_memory, in_pieces, strict=True):
        if exact.mean is not None:
            assert (found.mean, found.std) == pytest.approx((exact.mean, exact.std), rel=1e-12)
        figures = {"mean": exact.mean, "std": exact.std, "approximate": False}
        assert found.model_copy(update=figures) == exact
    assert [detail.replace("hardly any", "no") for detail in others] == warnings


def test_duplicates_and_their_number(both: Callable[..., Profiled], table: pl.DataFrame) -> None:
    *_, details = both(10**6, table.drop("id"))
    assert any(detail.startswith("60 rows repeat") for detail in details)


def test_close_where_the_sample_is_small(both: Callable[..., Profiled], table: pl.DataFrame) -> None:
    in_memory, _, in_pieces, _ = both(3000)
    for exact, found in zip(in_memory, in_pieces, strict=True):
        assert (found.type, found.missing, found.min, found.max) == (
            exact.type,
            exact.missing,
            exact.min,
            exact.max,
        )
        assert found.distinct == exact.distinct
        if exact.histogram is not None:
            assert found.histogram is not None
            assert found.histogram.edges == exact.histogram.edges
            shares = [np.array(bins.counts) / ROWS for bins in (found.histogram, exact.histogram)]
            assert shares[0] == pytest.approx(shares[1], abs=0.05)
        assert found.approximate == (exact.type == "numeric" and exact.distinct > 0)
        for share, value in (found.quantiles or {}).items():
            present = table[exact.name].alias("value").drop_nulls()
            below = (present < value).mean(), (present <= value).mean()
            assert below[0] - 0.05 <= float(share) <= below[1] + 0.05  # 4 deviations of 1500 rows
    assert [value.value for value in in_pieces[4].top or ()] == ["red", "green", "blue"]
    assert in_pieces[4].top == in_memory[4].top


def test_distinct_counts_in_bounded_memory() -> None:
    rng = np.random.default_rng(0)
    sketch = DistinctSketch(most=1024)
    values = rng.integers(0, 200_000, 600_000)
    hashes = pl.Series(values).hash().to_numpy()
    for part in np.array_split(hashes, 13):
        sketch.add(part)
        assert len(sketch._hashes) <= 1024
    distinct = len(np.unique(values))
    assert not sketch.is_exact
    assert sketch.distinct == pytest.approx(distinct, rel=4 * 1.2 / np.sqrt(512))
    assert sketch.repeated == pytest.approx(600_000 - distinct, rel=0.25)
    few = DistinctSketch(most=1024)
    few.add(np.repeat(hashes[:1000], 3))
    assert few.is_exact
    assert few.distinct == len(np.unique(hashes[:1000]))
    assert few.distinct + few.repeated == 3000


def test_moments_of_numbers_far_from_zero() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=10_001)
    moments = Moments()
    for part in np.array_split(values, 7):
        moments.add(part)
    moments.add(values[:0])
    assert moments.mean == pytest.approx(values.mean(), rel=1e-15)
    assert moments.std == pytest.approx(values.std(), rel=1e-7)


@pytest.mark.parametrize(("rows", "pieces"), [(1000, 1), (1001, 3), (20_000, 9)])
def test_a_sample_of_rows_is_spread_over_all(rows: int, pieces: int) -> None:
    frame = pl.DataFrame({"row": np.arange(rows)})
    sample = RowSample(1000)
    for part in np.array_split(np.arange(rows), pieces):
        sample.add(frame[part])
    numbers = sample.rows["row"].to_numpy()
    assert (np.diff(numbers) > 0).all()
    if rows <= 1000:
        assert sample.rows.equals(frame)
    else:
        assert 400 < len(numbers) <= 1000
        assert numbers.mean() == pytest.approx(rows / 2, rel=4 / np.sqrt(12 * len(numbers)) * 2)
