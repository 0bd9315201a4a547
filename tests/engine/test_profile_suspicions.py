"""What a profile suspects: types that are in doubt, values far out, columns that say the same."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encoding.columns import infer
from engine.encoding.profile import profile
from engine.encoding.type_confidence import PROBE, confidence_of


def profiled(data):
    frame, types, _ = infer(pl.DataFrame(data))
    columns, warnings = profile(frame, types)
    return {column.name: column for column in columns}, {
        (warning.code, warning.column): warning.detail for warning in warnings
    }


def test_a_few_slips_make_numbers_words():
    values = [str(i % 7) for i in range(341)] + ["unknown"] * 3
    columns, warnings = profiled({"a": values})
    assert columns["a"].type == "categorical"
    assert columns["a"].type_confidence == pytest.approx(3 / 344)
    assert columns["a"].type_reason == "3 of 344 values are no numbers, such as 'unknown'"
    assert warnings["mixed_types", "a"] == f"a is read as words: {columns['a'].type_reason}"


@pytest.mark.parametrize(
    ("values", "confidence", "reason"),
    [
        (["red", "green"] * 5, 1, None),
        ([*["red"] * 9, "7"], 0.9, "1 of 10 values are numbers"),
        (["red", "1", "2", "green"], 0.5, "2 of 4 values are no numbers, such as 'red'"),
        ([*["2024-01-02"] * 3, "soon"], 0.25, "1 of 4 values are no dates or times, such as 'soon'"),
        ([*["yes", "no"] * 2, "maybe"], 0.2, "1 of 5 values are no truth values, such as 'maybe'"),
        (["red"] * PROBE + ["1"], 1, None),
        (["1", *["red"] * PROBE], 1 - 1 / PROBE, f"1 of the first {PROBE} values are numbers"),
        (["1", "2"], 1, None),  # words because somebody said so
        ([], 1, None),
    ],
)
def test_the_confidence_is_the_share_that_is_nothing_else(values, confidence, reason):
    found = confidence_of(pl.Series("a", values, dtype=pl.String), "categorical")
    assert found.confidence == pytest.approx(confidence)
    assert found.reason == reason


def test_other_types_are_sure():
    columns, warnings = profiled({"n": [1, 2] * 10, "b": [True, False] * 10, "m": ["1", None] * 10})
    assert {column.type_confidence for column in columns.values()} == {1}
    assert not any(code == "mixed_types" for code, _ in warnings)


def test_outliers_are_beyond_three_interquartile_ranges():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=500), [9.0, -9.0, 1e6]])
    columns, warnings = profiled({"a": values, "b": [1.0] * 502 + [2.5], "c": np.arange(503) / 7})
    q1, q3 = np.quantile(values, [0.25, 0.75])
    far_out = (values < q1 - 3 * (q3 - q1)) | (values > q3 + 3 * (q3 - q1))
    assert columns["a"].outliers == far_out.sum() == 3
    assert columns["b"].outliers is None  # equal quartiles
    assert columns["c"].outliers == 0
    assert "such as 1e+06" in warnings["extreme_values", "a"]
    assert [column for code, column in warnings if code == "extreme_values"] == ["a"]


def test_columns_that_say_the_same():
    rng = np.random.default_rng(1)
    number = rng.normal(size=60)
    code = rng.integers(0, 4, 60)
    data = {
        "number": number,
        "code": code,
        "again": number,
        "name": [("a", "b", "c", "d")[i] for i in code],
        "other": [("a", "b", "c", "d")[i] for i in rng.permutation(code)],
        "id": np.arange(60) * 3 + 1,
        "id_too": rng.permutation(60) * 3 + 1,
        "coarse": code // 2,
    }
    _, warnings = profiled(data)
    twins = {column: detail for (code, column), detail in warnings.items() if code == "identical_columns"}
    assert twins == {
        "again": "again repeats number in every row",
        "name": "name says the same as code: their values correspond one to one",
    }


def test_missing_values_must_agree_too():
    values = ["a", "b", None, "a"] * 5
    _, warnings = profiled(
        {"x": values, "y": values, "z": ["a", "b", "c", "a"] * 5, "w": ["a", None, "b", "a"] * 5}
    )
    assert [column for code, column in warnings if code == "identical_columns"] == ["y"]


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=10, max_size=40), st.permutations(range(4)))
def test_a_renaming_is_always_found(values, names):
    """Unless the values do not repeat, or are all the same."""
    renamed = [f"v{names[value]}" for value in values]
    _, warnings = profiled({"a": values, "b": renamed})
    expected = ("identical_columns", "b") in warnings
    assert expected == (len(set(values)) > 1 and 2 * len(set(values)) <= len(values))
