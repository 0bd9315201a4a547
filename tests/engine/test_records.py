"""Raw values of a prediction: read like the training table, or refused, or warned about."""

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encoding import Feature, InvalidValue
from engine.encoding.records import frame_from_records, frame_from_rows

ISLAND = Feature(name="island", type="categorical", categories=("Biscoe", "2007", "1.5", "true"))
BILL = Feature(name="bill", type="numeric")
ADULT = Feature(name="adult", type="boolean")
SEEN = Feature(name="seen", type="datetime")


def read(feature, value):
    frame, (warnings,) = frame_from_records([{feature.name: value}], [feature])
    return frame[feature.name][0], warnings


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [
        (BILL, 39.1, 39.1),
        (BILL, 39, 39),
        (BILL, " 39.1 ", 39.1),
        (BILL, "1e3", 1000),
        (BILL, 2**70, 2.0**70),
        (ISLAND, " Biscoe", "Biscoe"),
        (ISLAND, 2007, "2007"),
        (ISLAND, 2007.0, "2007"),
        (ISLAND, 1.5, "1.5"),
        (ISLAND, True, "true"),
        (ADULT, True, True),
        (ADULT, 0, False),
        (ADULT, 1.0, True),
        (ADULT, "Yes", True),
        (SEEN, "2024-01-02", datetime.fromisoformat("2024-01-02")),
        (SEEN, "2024-01-02T03:04:05+01:00", datetime.fromisoformat("2024-01-02T02:04:05")),
    ],
)
def test_values_are_read(feature, value, expected):
    assert read(feature, value) == (expected, [])


@pytest.mark.parametrize("feature", [ISLAND, BILL, ADULT, SEEN])
@pytest.mark.parametrize("value", [None, "", " NA", float("nan")])
def test_missing_values_are_warned_about(feature, value):
    assert read(feature, value) == (None, [f"{feature.name} is missing"])


@pytest.mark.parametrize("value", [float("inf"), "inf", pytest.param(10**5000, id="digits"), 1e300])
def test_numbers_without_an_end_are_missing(value):
    assert read(BILL, value) == (None, ["bill is missing"])


@pytest.mark.parametrize(
    ("feature", "value", "detail"),
    [
        (BILL, "abc", "a number expected in bill, got 'abc'"),
        (BILL, True, "a number expected in bill, got True"),
        (BILL, [1], r"a number expected in bill, got \[1\]"),
        (BILL, "x" * 1000, "a number expected in bill, got 'x{56}\\.\\.\\."),
        (ISLAND, {"a": 1}, "text expected in island"),
        (ADULT, 2, r"a boolean \(true or false\) expected in adult, got 2"),
        (SEEN, "1.2.2024", "a date or date-time in ISO 8601 expected in seen"),
        (SEEN, 2024, "a date or date-time in ISO 8601 expected in seen, got 2024"),
    ],
)
def test_impossible_values_are_refused_with_their_place(feature, value, detail):
    with pytest.raises(InvalidValue, match=detail) as error:
        frame_from_records([{}, {feature.name: value}], [feature])
    assert (error.value.row, error.value.column) == (1, feature.name)


def test_each_row_has_its_warnings():
    _, warnings = frame_from_records(
        [{"island": "Biscoe", "bill": 1}, {"island": "x", "colour": "red"}, {}], [ISLAND, BILL]
    )
    assert warnings == [
        [],
        ["unseen category 'x' in island", "bill is missing", "unknown column 'colour' is ignored"],
        ["island is missing", "bill is missing"],
    ]


def test_rows_are_in_the_order_of_the_features():
    frame, warnings = frame_from_rows([["Biscoe", 1.5], ["2007", None]], [ISLAND, BILL])
    assert frame.rows() == [("Biscoe", 1.5), ("2007", None)]
    assert warnings == [[], ["bill is missing"]]
    with pytest.raises(InvalidValue, match=r"2 values expected \(island, bill\), got 3") as error:
        frame_from_rows([["Biscoe", 1], ["Biscoe", 1, 2]], [ISLAND, BILL])
    assert (error.value.row, error.value.column) == (1, None)


def test_no_rows():
    frame, warnings = frame_from_records([], [ISLAND, BILL, ADULT, SEEN])
    assert (frame.shape, warnings) == ((0, 4), [])
    assert frame.schema["seen"] == pl.Datetime("us")


@pytest.mark.parametrize("name", ["*", "^.*$", "a b", ""])
def test_a_name_is_a_name_and_no_pattern(name):
    odd = Feature(name=name, type="numeric")
    frame, warnings = frame_from_records([{"bill": 1, name: "2"}], [BILL, odd])
    assert (frame.columns, frame.rows(), warnings) == (["bill", name], [(1, 2)], [[]])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["island", "bill", "adult", "seen", "x"]), JSON), max_size=4))
def test_any_json_is_read_or_refused(records):
    try:
        frame, warnings = frame_from_records(records, [ISLAND, BILL, ADULT, SEEN])
    except InvalidValue:
        return
    assert frame.height == len(warnings) == len(records)
