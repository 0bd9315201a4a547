"""One reading for every value, and the types that follow from all of them."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encoding import UnreadableTable
from engine.encoding.columns import MISSING, as_text, cast, infer

at = datetime.fromisoformat


def infer_column(values, dtype=pl.String):
    frame, types, warnings = infer(pl.DataFrame({"a": pl.Series(values, dtype=dtype)}))
    return frame["a"].to_list(), types["a"], [warning.code for warning in warnings]


@pytest.mark.parametrize(
    ("texts", "values", "kind"),
    [
        (["1", " 2 ", "-3"], [1, 2, -3], "numeric"),
        (["1.0", "2", "1e3"], [1, 2, 1000], "numeric"),
        (["1.5", "2", ".5"], [1.5, 2.0, 0.5], "numeric"),
        (["0", "1", "1"], [0, 1, 1], "numeric"),
        (["9007199254740993", "1", "1"], [9007199254740993, 1, 1], "numeric"),
        (["true", "False", "TRUE"], [True, False, True], "boolean"),
        (["yes", "NO", "yes"], ["yes", "NO", "yes"], "categorical"),
        (["true", "no", "true"], ["true", "no", "true"], "categorical"),
        (["2024-02-29", "2023-01-01"], [at("2024-02-29T00:00:00"), at("2023-01-01T00:00:00")], "datetime"),
        (["2024-02-29T12:30", "2024-02-29 12:30:01.5"], None, "datetime"),
        (["2023-02-29", "2023-01-01"], ["2023-02-29", "2023-01-01"], "categorical"),
        (["a", " a", "1"], ["a", "a", "1"], "categorical"),
        (["1_000", "0x10", "1,5"], ["1_000", "0x10", "1,5"], "categorical"),
    ],
)
def test_text_is_read_as_what_all_of_it_can_be(texts, values, kind):
    found, found_kind, warnings = infer_column(texts)
    assert (found_kind, warnings) == (kind, [])
    if values is not None:
        assert [(value, type(value)) for value in found] == [(value, type(value)) for value in values]


@pytest.mark.parametrize("token", [*MISSING, " ", " NA "])
def test_a_missing_token_is_missing_in_every_type(token):
    assert infer_column(["1.5", token])[:2] == ([1.5, None], "numeric")
    assert infer_column(["true", token])[:2] == ([True, None], "boolean")
    assert infer_column(["2024-01-01", token])[:2] == ([at("2024-01-01T00:00:00"), None], "datetime")
    assert infer_column(["word", token])[:2] == (["word", None], "categorical")


def test_time_zones_become_utc():
    texts = ["2024-01-01T00:30+02:00", "2024-01-01T00:30:00Z", "2024-01-01 00:30:00,25-0130"]
    assert infer_column(texts)[0] == [
        at("2023-12-31T22:30:00"),
        at("2024-01-01T00:30:00"),
        at("2024-01-01T02:00:00.250000"),
    ]
    berlin = timezone(timedelta(hours=2))
    moment = datetime(2024, 1, 1, 0, 30, tzinfo=berlin)
    assert infer(pl.DataFrame({"a": [moment]}))[0]["a"].to_list() == [
        moment.astimezone(UTC).replace(tzinfo=None)
    ]


def test_infinities_are_missing_and_warned_about():
    assert infer_column(["1.5", "inf", "-Infinity", "1e400"]) == (
        [1.5, None, None, None],
        "numeric",
        ["infinite_values"],
    )
    assert infer_column([1.5, float("inf"), float("nan"), 1e300], pl.Float64) == (
        [1.5, None, None, None],
        "numeric",
        ["infinite_values"],
    )
    assert infer_column([1.5, float("nan")], pl.Float64) == ([1.5, None], "numeric", [])


def test_typed_columns():
    frame, types, _ = infer(
        pl.DataFrame(
            {
                "small": pl.Series([1, None], dtype=pl.Int8),
                "huge": pl.Series([2**63, 1], dtype=pl.UInt64),
                "whole": [1.0, 2.0],
                "money": pl.Series([Decimal("1.25"), Decimal(2)], dtype=pl.Decimal(10, 2)),
                "day": [date(2024, 1, 1), None],
                "truth": [True, None],
                "kind": pl.Series(["1", "NA"], dtype=pl.Categorical),
                "nothing": [None, None],
                "empty": pl.Series([None, None], dtype=pl.String),
            }
        )
    )
    assert dict(frame.schema) == {
        "small": pl.Int64(),
        "huge": pl.Float64(),
        "whole": pl.Int64(),
        "money": pl.Float64(),
        "day": pl.Datetime("us"),
        "truth": pl.Boolean(),
        "kind": pl.String(),
        "nothing": pl.Float64(),
        "empty": pl.Float64(),
    }
    assert types["kind"] == "categorical"
    assert frame["kind"].to_list() == ["1", None]


def test_words_become_text_when_they_are_too_many_or_too_long():
    assert infer_column([f"w{i}" for i in range(100)])[1] == "categorical"
    assert infer_column([f"w{i}" for i in range(101)])[1] == "text"
    assert infer_column([f"w{i}" for i in range(101)] * 2)[1] == "categorical"
    assert infer_column(["word " * 30, "a"] * 5)[1] == "categorical"
    assert infer_column(["word " * 50, "a"] * 5)[1] == "text"


@pytest.mark.parametrize("name", ["", "*", "^.*$", "a.b", "1"])
def test_any_name_is_a_name(name):
    frame, types, _ = infer(pl.DataFrame({name: ["1", "2"], "day": ["2024-01-01", "2024-01-02"]}))
    assert (frame.columns, types) == ([name, "day"], {name: "numeric", "day": "datetime"})
    assert cast(frame, {name: "categorical", "day": "text"}).rows() == [
        ("1", "2024-01-01T00:00:00"),
        ("2", "2024-01-02T00:00:00"),
    ]


def test_no_rows_and_no_columns():
    frame, types, warnings = infer(pl.DataFrame({"a": pl.Series([], dtype=pl.String)}))
    assert (frame.shape, types, warnings) == ((0, 1), {"a": "numeric"}, [])
    assert infer(pl.DataFrame())[0].shape == (0, 0)


@pytest.mark.parametrize("values", [[[1, 2]], [{"x": 1}], [b"x"], [timedelta(1)]])
def test_other_columns_are_refused_by_name(values):
    with pytest.raises(UnreadableTable, match="column 'odd' holds") as error:
        infer(pl.DataFrame({"odd": values}))
    assert error.value.column == "odd"


def test_cast_reads_a_column_as_the_type_that_the_user_gives():
    frame, _, _ = infer(
        pl.DataFrame(
            {"year": ["2007", "2008.0", "NA"], "flag": ["0", "1", "NA"], "yes": ["yes", "no", ""], "x": "1.5"}
        )
    )
    typed = cast(frame, {"year": "categorical", "flag": "boolean", "yes": "boolean", "x": "text"})
    typed = cast(typed, {"yes": "numeric"})
    assert typed.to_dict(as_series=False) == {
        "year": ["2007", "2008", None],
        "flag": [False, True, None],
        "yes": [1, 0, None],
        "x": ["1.5", "1.5", "1.5"],
    }
    assert cast(typed, {"year": "numeric"})["year"].to_list() == [2007, 2008, None]
    assert cast(frame, {"year": "numeric"})["year"].dtype == pl.Int64  # it was


def test_cast_says_which_value_is_in_the_way():
    frame = pl.DataFrame({"a": ["1", None, "x"]})
    with pytest.raises(
        UnreadableTable, match="column 'a' cannot be numeric: 'x' in row 3 is not a number"
    ) as error:
        cast(frame, {"a": "numeric"})
    assert (error.value.column, error.value.row) == ("a", 2)
    with pytest.raises(UnreadableTable, match="there is no column 'b'"):
        cast(frame, {"b": "numeric"})
    with pytest.raises(UnreadableTable, match="not a date or date-time"):
        cast(pl.DataFrame({"a": [5]}), {"a": "datetime"})


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(-1e149, 1e149) | st.integers(-(2**53), 2**53).map(float), min_size=1))
def test_numbers_survive_as_text(values):
    series = pl.Series("a", values, dtype=pl.Float64)
    parsed = cast(as_text(series).to_frame(), {"a": "numeric"})["a"]
    assert parsed.cast(pl.Float64).to_list() == values


@settings(deadline=None)
@given(st.lists(st.none() | st.datetimes(at("1000-01-01T00:00:00"), at("3000-01-01T00:00:00")), min_size=1))
def test_times_survive_as_text(values):
    series = pl.Series("a", values, dtype=pl.Datetime("us"))
    assert cast(as_text(series).to_frame(), {"a": "datetime"})["a"].to_list() == values


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_has_a_type(values):
    frame, types, _ = infer(pl.DataFrame({"a": values}))
    assert frame.height == len(values)
    cast(frame, {"a": "categorical"})
    again, types_again, _ = infer(frame)
    if types["a"] != "categorical":
        assert types_again == types
        assert again.equals(frame)
