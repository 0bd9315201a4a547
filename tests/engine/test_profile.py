"""The profile against NumPy, and each warning from the smallest table that deserves it."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encoding import ColumnProfile
from engine.encoding.columns import infer
from engine.encoding.profile import profile


def profile_of(data):
    frame, types, _ = infer(pl.DataFrame(data))
    return profile(frame, types)


def codes(data, column="a"):
    return [warning.code for warning in profile_of(data)[1] if warning.column == column]


def test_numbers():
    values = np.random.default_rng(0).standard_normal(1000)
    (column,), _ = profile_of({"a": [*values.tolist(), None, float("nan")]})
    assert (column.type, column.integer, column.missing, column.distinct) == ("numeric", False, 2, 1000)
    assert (column.min, column.max) == (values.min(), values.max())
    assert column.mean == pytest.approx(values.mean(), rel=1e-12)
    assert column.std == pytest.approx(values.std(ddof=0), rel=1e-12)
    assert column.quantiles == {str(q): np.quantile(values, q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
    counts, edges = np.histogram(values, 20)
    assert column.histogram.counts == counts.tolist()
    assert column.histogram.edges == edges.tolist()
    assert column.top is None


def test_whole_numbers():
    (column,), _ = profile_of({"a": [3, 1, 1, 3, 7, None]})
    assert column.integer
    assert [(top.value, top.count) for top in column.top] == [(1, 2), (3, 2), (7, 1)]
    assert column.histogram.edges == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]
    assert column.histogram.counts == [2, 0, 2, 0, 0, 0, 1]
    assert len(profile_of({"a": list(range(1000))})[0][0].histogram.counts) == 20


@pytest.mark.parametrize("value", [5, -2.5, 0, 1e149, 2**60])
def test_a_constant_has_one_bin(value):
    (column,), _ = profile_of({"a": [value] * 4})
    assert column.std == pytest.approx(0, abs=abs(value) * 1e-15)
    assert column.histogram.counts == [4]
    assert column.histogram.edges[0] <= value <= column.histogram.edges[1]


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.floats(-1e149, 1e149) | st.integers(-(2**62), 2**62), min_size=1))
def test_the_histogram_holds_every_value(values):
    (column,), _ = profile_of({"a": pl.Series(values, dtype=pl.Float64)})
    assert sum(column.histogram.counts) == len(values)
    assert 1 <= len(column.histogram.counts) <= 20


def test_words_booleans_and_times():
    columns, _ = profile_of(
        {
            "word": ["b", "a", "b", None],
            "truth": [True, True, False, None],
            "time": [datetime.fromisoformat("2024-01-02T03:04:05"), None, None, None],
        }
    )
    word, truth, time = columns
    assert [(top.value, top.count) for top in word.top] == [("b", 2), ("a", 1)]
    assert [(top.value, top.count) for top in truth.top] == [(True, 2), (False, 1)]
    assert (time.min, time.max, time.missing) == ("2024-01-02T03:04:05", "2024-01-02T03:04:05", 3)
    for column in columns:
        assert (column.mean, column.std, column.quantiles, column.histogram) == (None,) * 4
    assert len(profile_of({"a": [f"w{i}" for i in range(30)]})[0][0].top) == 10


@pytest.mark.parametrize("name", ["", "*", "^.*$", "value", "count"])
def test_any_name_is_a_name(name):
    (column, _), _ = profile_of({name: ["u", "v"], "other": [1, 2]})
    assert (column.name, column.top[0].value) == (name, "u")


def test_it_survives_json():
    columns, _ = profile_of({"a": ["1", "2"], "b": ["yes", "no"], "c": ["x", "y"], "d": ["1.5", "2024"]})
    for column in columns:
        assert ColumnProfile.model_validate_json(column.model_dump_json()) == column


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5, 2.5, 3.5], []),
        ([None, None], ["all_missing"]),
        ([1.5, 2.5, None, None, None], ["mostly_missing"]),
        ([1.5, 1.5], ["constant_column"]),
        (["x", None, None], ["mostly_missing", "constant_column"]),
        (list(range(5, 25)), ["identifier"]),
        (list(range(0, 40, 2)), []),
        ([f"w{i}" for i in range(20)], ["identifier"]),
        ([f"w{i % 60}" for i in range(120)], ["high_cardinality"]),
        ([f"w{i % 150}" for i in range(151)], ["text_column"]),
        ([f"w{i}" for i in range(150)], ["text_column", "identifier"]),
    ],
)
def test_warnings_about_a_column(values, expected):
    assert codes({"a": values}) == expected


def test_warnings_about_rows():
    assert codes({"a": [1, 1, 2] * 20}, None) == ["duplicate_rows"]
    assert codes({"a": list(range(60))}, None) == []
    assert codes({"a": [1, 2], "b": [1, 2]}, None) == ["few_rows"]
    repeated = profile_of({"a": [1, 1, 2] * 20})[1][-1]
    assert repeated.detail.startswith("58 rows repeat an earlier row")


def test_no_rows():
    (column,), warnings = profile(pl.DataFrame({"a": pl.Series([], dtype=pl.Float64)}), {"a": "numeric"})
    assert (column.missing, column.distinct, column.min) == (0, 0, None)
    assert [warning.code for warning in warnings] == ["all_missing", "few_rows"]
    assert profile(pl.DataFrame(), {})[0] == []
