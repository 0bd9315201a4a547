"""Encoded columns against values worked out by hand, and the JSON that a model keeps of them."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encoding import NoUsableFeature, UnreadableTable
from engine.encoding.column_encoders import CATEGORIES_AT_MOST
from engine.encoding.columns import infer
from engine.encoding.table import TableEncoder


def typed(**columns):
    frame, types, _ = infer(pl.DataFrame(columns, strict=False))
    return frame, types


def fit(*, scaling="standard", **columns):
    frame, types = typed(**columns)
    encoder, warnings = TableEncoder.fit(frame, types, list(columns), scaling=scaling)
    return encoder, [warning.code for warning in warnings], encoder.encode(frame)


def test_numbers_are_standardised():
    encoder, warnings, x = fit(a=[1.0, 2.0, 6.0])
    deviation = math.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2) / 3)
    assert x.dtype == np.float32
    assert (encoder.output_names, warnings) == (("a",), [])
    np.testing.assert_allclose(x[:, 0], [-2 / deviation, -1 / deviation, 3 / deviation], rtol=1e-6)


def test_a_missing_number_is_the_median_and_is_marked():
    encoder, _, x = fit(a=[1.0, 2.0, 6.0, None])
    assert encoder.output_names == ("a", "a missing")
    filled = np.array([1, 2, 6, 2])
    np.testing.assert_allclose(x[:, 0], (filled - filled.mean()) / filled.std(), rtol=1e-6)
    assert x[:, 1].tolist() == [0, 0, 0, 1]


def test_a_number_missing_for_the_first_time_is_the_median_unmarked():
    encoder, _, x = fit(a=[1.0, 2.0, 6.0])
    assert encoder.encode(pl.DataFrame({"a": pl.Series([None], dtype=pl.Float64)})) == x[1]


def test_robust_scaling_is_the_formula_of_the_paper():
    values = np.array([0.0, 1, 2, 3, 100])
    _, _, x = fit(a=values.tolist(), scaling="robust")
    u = (values - 2) / (3 - 1)
    np.testing.assert_allclose(x[:, 0], u / np.sqrt(1 + (u / 3) ** 2), rtol=1e-6)
    _, _, x = fit(a=[0, 0, 0, 0, 0, 0, 0, 0, 4], scaling="robust")  # equal quartiles: half the range
    assert x[-1, 0] == pytest.approx(2 / math.sqrt(1 + (2 / 3) ** 2))


def test_numbers_as_they_are_keep_their_constant_columns():
    encoder, warnings, x = fit(a=[0, 0, 0], b=[1, None, -8.0], scaling="none")
    assert (encoder.output_names, warnings) == (("a", "b", "b missing"), [])
    assert x.tolist() == [[0, 1, 0], [0, -3.5, 1], [0, -8, 0]]  # the median of 1 and -8
    assert encoder.encode(pl.DataFrame({"a": [3], "b": [1e9]})).tolist() == [[3, 1e6, 0]]


def test_pixels_are_divided_by_the_largest_of_all_columns():
    encoder, warnings, x = fit(a=[0, 0], b=[4, 8], c=[-16, 2.0], scaling="unit")
    assert (encoder.width, warnings) == (3, [])
    assert x.tolist() == [[0, 0.25, -1], [0, 0.5, 0.125]]
    assert encoder.encode(pl.DataFrame({"a": [16], "b": [0], "c": [0]})).tolist() == [[1, 0, 0]]


def test_all_zeros_stay_zeros():
    assert fit(a=[0, 0], b=[0.0, 0.0], scaling="unit")[2].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("scaling", ["none", "unit"])
def test_times_and_words_are_encoded_as_ever(scaling):
    columns = {"a": ["2023-01-01", "2024-07-01"], "b": ["x", "y"], "c": [True, False], "d": ["x", "x"]}
    encoder, warnings, x = fit(**columns, scaling=scaling)
    usual, _, usual_x = fit(**columns)
    assert (encoder, warnings) == (usual, ["constant_column"])
    assert x.tolist() == usual_x.tolist()


def test_a_constant_with_gaps_says_only_whether_it_is_there():
    encoder, warnings, x = fit(a=[7.5, 7.5, None])
    assert (warnings, x.tolist()) == ([], [[0, 0], [0, 0], [0, 1]])
    assert encoder.encode(pl.DataFrame({"a": [99.5]})).tolist() == [[0, 0]]


def test_categories_are_one_hot_and_unknown_ones_all_zeros():
    encoder, _, x = fit(a=["b", "a", "b"])
    assert encoder.output_names == ("a = a", "a = b")
    assert x.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert encoder.encode(pl.DataFrame({"a": ["z", None, "a"]})).tolist() == [[0, 0], [0, 0], [1, 0]]


def test_missing_categories_are_marked_where_training_rows_had_them():
    encoder, _, x = fit(a=["b", "a", None])
    assert encoder.output_names == ("a = a", "a = b", "a missing")
    assert x.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert encoder.encode(pl.DataFrame({"a": ["z"]})).tolist() == [[0, 0, 0]]


def test_the_most_frequent_categories_are_kept():
    names = [f"c{i:03}" for i in range(CATEGORIES_AT_MOST + 10)]
    frame = pl.DataFrame({"a": names + names[10:]})
    encoder, warnings = TableEncoder.fit(frame, {"a": "categorical"}, ["a"])
    assert encoder.features[0].categories == tuple(names[10:])
    assert [warning.code for warning in warnings] == ["high_cardinality"]


def test_booleans_are_signs():
    encoder, _, x = fit(a=[True, False, None])
    assert (encoder.output_names, x.tolist()) == (("a",), [[1], [-1], [0]])


def test_times_are_parts():
    encoder, _, x = fit(a=["2023-01-01T00:00", "2024-07-01T12:00", "2024-07-01T12:00", "NA"])
    assert encoder.output_names == (
        "a year",
        "a month",
        "a month sine",
        "a month cosine",
        "a weekday",
        "a weekday sine",
        "a weekday cosine",
        "a hour",
        "a hour sine",
        "a hour cosine",
        "a missing",
    )  # the day is always 1
    column = dict(zip(encoder.output_names, x.T, strict=True))
    years = np.array([2023, 2024, 2024, 2024])  # the median of the three
    np.testing.assert_allclose(column["a year"], (years - years.mean()) / years.std(), rtol=1e-5)
    months = np.array([1, 7, 7, 7])
    np.testing.assert_allclose(column["a month sine"], np.sin(2 * np.pi * months / 12), atol=1e-7)
    np.testing.assert_allclose(column["a hour cosine"], [1, -1, -1, -1], atol=1e-7)
    np.testing.assert_allclose(
        column["a weekday sine"][:2], np.sin(2 * np.pi * np.array([7, 1]) / 7), atol=1e-7
    )
    assert column["a missing"].tolist() == [0, 0, 0, 1]


def test_what_says_nothing_is_left_out_with_a_warning():
    encoder, warnings, _ = fit(
        constant=["x"] * 200,
        empty=[None] * 200,
        text=[f"w{i}" for i in range(200)],
        good=[i % 7 for i in range(200)],
    )
    assert [feature.name for feature in encoder.features] == ["good"]
    assert warnings == ["constant_column", "all_missing", "text_column"]


@pytest.mark.parametrize("name", ["", "*", "^.*$"])
def test_any_name_is_a_name(name):
    encoder, _, x = fit(**{"a": [1, 2], name: ["u", "v"]})
    assert encoder.output_names == ("a", f"{name} = u", f"{name} = v")
    assert x.tolist() == [[-1, 1, 0], [1, 0, 1]]


def test_no_usable_feature_says_why():
    with pytest.raises(NoUsableFeature, match="no usable feature: a has the same value in all training rows"):
        fit(a=[1, 1, 1])
    with pytest.raises(NoUsableFeature, match="none was given"):
        fit()


def test_a_column_that_is_not_there():
    encoder, _, _ = fit(a=[1, 2])
    with pytest.raises(UnreadableTable, match="there is no column 'a'"):
        encoder.encode(pl.DataFrame({"b": [1]}))
    with pytest.raises(UnreadableTable, match="there is no column 'zz'"):
        TableEncoder.fit(pl.DataFrame({"a": [1, 2]}), {"a": "numeric"}, ["zz"])


def test_columns_are_read_as_the_type_that_was_fitted():
    encoder, _, x = fit(a=["1", "2", "x"])
    assert encoder.encode(pl.DataFrame({"a": [1, 2]})).tolist() == x[:2].tolist()
    encoder, _, x = fit(a=[1, 2, 4])
    assert encoder.encode(pl.DataFrame({"a": ["1", "2"], "more": ["u", "v"]})).tolist() == x[:2].tolist()
    with pytest.raises(UnreadableTable, match="'x' in row 1 is not a number"):
        encoder.encode(pl.DataFrame({"a": ["x"]}))


MIXED = {
    "number": st.none() | st.floats(-1e149, 1e149),
    "word": st.none() | st.sampled_from(["a", "b", "c c"]),
    "truth": st.none() | st.booleans(),
    "time": st.none() | st.datetimes(),
}


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(st.fixed_dictionaries(MIXED), min_size=2, max_size=20),
    st.sampled_from(["standard", "robust", "unit", "none"]),
)
def test_any_rows_encode_to_finite_numbers_alone_as_among_others_and_after_json(rows, scaling):
    schema = {"number": pl.Float64, "word": pl.String, "truth": pl.Boolean, "time": pl.Datetime("us")}
    types = {"number": "numeric", "word": "categorical", "truth": "boolean", "time": "datetime"}
    frame = pl.DataFrame(rows, schema=schema)
    try:
        encoder, _ = TableEncoder.fit(frame[: len(rows) // 2 + 1], types, list(schema), scaling=scaling)
    except NoUsableFeature:
        return
    x = encoder.encode(frame)
    assert x.shape == (len(rows), encoder.width)
    assert np.isfinite(x).all()
    again = TableEncoder.model_validate_json(encoder.model_dump_json())
    assert again == encoder
    for row in range(len(rows)):
        assert again.encode(frame[row]).tobytes() == x[row].tobytes()


def test_times_within_one_hour_say_nothing_and_are_left_out():
    times = pl.datetime_range(pl.datetime(2024, 5, 1, 8), pl.datetime(2024, 5, 1, 8, 59), "1m", eager=True)
    frame = pl.DataFrame({"t": times, "x": np.arange(60.0)})
    types = {"t": "datetime", "x": "numeric"}
    encoder, warnings = TableEncoder.fit(frame, types, ["t", "x"])
    assert [feature.name for feature in encoder.features] == ["x"]
    assert [(warning.code, warning.column) for warning in warnings] == [("constant_column", "t")]
    with pytest.raises(NoUsableFeature, match="t is left out: year, month, day, weekday, hour are the same"):
        TableEncoder.fit(frame, types, ["t"])
