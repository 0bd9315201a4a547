"""Rows of pandas, polars, NumPy and of dicts become the same bodies, and answers become theirs again."""

import base64
import json
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from backpropd_client.tables import base, table_of

ROWS = [
    {"a": 1.5, "b": "x", "c": True, "d": 3, "when": datetime.fromisoformat("2024-05-06T07:08:00")},
    {"a": None, "b": None, "c": False, "d": -2, "when": None},
    {"a": 1e-300, "b": "", "c": True, "d": 2**53 + 1, "when": datetime.fromisoformat("1999-01-01T00:00:00")},
]
FEATURES = ["d", "a", "b", "c", "when"]
SENT = [
    [3, 1.5, "x", True, "2024-05-06T07:08:00"],
    [-2, None, None, False, None],
    [2**53 + 1, 1e-300, "", True, "1999-01-01T00:00:00"],
]


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pl.LazyFrame])
def test_frames_are_sent_by_features_in_their_order(library):
    table = table_of(library(ROWS))
    (body,) = table.bodies(FEATURES)
    assert json.loads(json.dumps(body, allow_nan=False)) == {"inputs": SENT}
    assert table.records(FEATURES) == [dict(zip(FEATURES, row, strict=True)) for row in SENT]
    with pytest.raises(ValueError, match="features 'e', 'f' are not among the columns"):
        list(table.bodies(["a", "e", "f"]))


def test_what_pandas_takes_for_missing_is_null():
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None], dtype="Int64"),
            "float": [np.nan, np.inf],
            "time": pd.to_datetime(["2024-01-01", None]),
            "category": pd.Categorical(["x", None]),
            "object": [pd.NA, np.float32(0.5)],
        }
    )
    (body,) = table_of(frame).bodies(list(frame.columns))
    sent = [[1, None, "2024-01-01T00:00:00", "x", None], [None, None, None, None, 0.5]]
    assert body == {"inputs": sent}


def test_records_are_sent_as_they_are():
    (body,) = table_of(ROWS).bodies(["a"])
    assert [list(row.values()) for row in body["records"]] == [
        [row[name] for name in (1, 2, 3, 0, 4)] for row in SENT
    ]
    assert table_of({"a": np.float64(2), "z": b"\x89PNG"}).records([]) == [
        {"a": 2.0, "z": base64.b64encode(b"\x89PNG").decode()}
    ]
    assert table_of([{"day": date(2024, 2, 29), "at": datetime(2024, 1, 1, tzinfo=UTC)}]).records([]) == [
        {"day": "2024-02-29", "at": "2024-01-01T00:00:00+00:00"}
    ]


@pytest.mark.parametrize("data", ["penguins.csv", 3, [1, 2], {"a"}, [{"a": 1}, "b"]])
def test_what_is_no_table_is_refused(data):
    with pytest.raises(TypeError, match="rows are a list of dicts, a pandas or polars DataFrame"):
        table_of(data)


@pytest.mark.parametrize(
    ("shape", "features", "chosen"),
    [
        ((3, 4), ["x0", "x1", "x2", "x3"], [0, 1, 2, 3]),
        ((3, 4), ["x0", "x3"], [0, 3]),  # the others were constant
        ((3, 2), ["length", "width"], [0, 1]),
        ((3, 1), ["x"], [0]),
        ((3,), ["x"], [0]),
    ],
)
def test_columns_of_arrays_are_found_by_what_the_service_calls_them(shape, features, chosen):
    x = np.random.default_rng(0).normal(size=shape)
    (body,) = table_of(x).bodies(features)
    assert body == {"inputs": x.reshape(3, -1)[:, chosen].tolist()}


def test_arrays_of_more_axes_are_one_column():
    x = np.arange(24.0).reshape(2, 3, 4)
    (body,) = table_of(x).bodies(["x"])
    assert body == {"inputs": [[x[0].tolist()], [x[1].tolist()]]}
    assert table_of(x).records(["x"])[1] == {"x": x[1].tolist()}


@pytest.mark.parametrize(
    ("features", "match"), [(["x0", "x4"], "at least 5 columns"), (["a", "b"], r"\(rows, 2\), not \(3, 4\)")]
)
def test_an_array_of_another_width_is_refused(features, match):
    with pytest.raises(ValueError, match=match):
        list(table_of(np.zeros((3, 4))).bodies(features))


def test_many_rows_are_sent_in_pieces(monkeypatch):
    monkeypatch.setattr(base, "ROWS_AT_MOST", 4)
    monkeypatch.setattr(base, "VALUES_AT_MOST", 6)
    x = np.arange(20.0).reshape(10, 2)
    for rows, key in (
        (x, "inputs"),
        (pl.DataFrame(x, ["x0", "x1"]), "inputs"),
        ([{"x0": 1.0}] * 10, "records"),
    ):
        assert [len(body[key]) for body in table_of(rows).bodies(["x0", "x1"])] == [3, 3, 3, 1]
    (joined,) = [[row for body in table_of(x).bodies(["x0", "x1"]) for row in body["inputs"]]]
    assert joined == x.tolist()


COLUMNS = {"p": [0.25, None, 0.5], "q": [1.0, 2.0, 3.0]}


def test_answers_are_of_the_rows_kind():
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=[7, 8, 9])
    one = table_of(frame).answer({"p": COLUMNS["p"]}, single=True)
    pd.testing.assert_series_equal(one, pd.Series(COLUMNS["p"], [7, 8, 9], name="p"))
    pd.testing.assert_frame_equal(
        table_of(frame).answer(COLUMNS, single=False), pd.DataFrame(COLUMNS, [7, 8, 9])
    )
    polars = table_of(pl.DataFrame({"a": [1, 2, 3]}))
    assert polars.answer({"p": COLUMNS["p"]}, single=True).equals(pl.Series("p", COLUMNS["p"]))
    assert polars.answer(COLUMNS, single=False).equals(pl.DataFrame(COLUMNS))
    array = table_of(np.zeros((3, 1)))
    np.testing.assert_array_equal(
        array.answer(COLUMNS, single=False), [[0.25, 1.0], [np.nan, 2.0], [0.5, 3.0]]
    )
    assert array.answer({"l": ["x", "y", "x"]}, single=True).tolist() == ["x", "y", "x"]
    assert array.answer({"l": [1, 0, 1]}, single=True).dtype.kind == "i"
    assert table_of([{}, {}, {}]).answer({"p": COLUMNS["p"]}, single=True) == COLUMNS["p"]
    assert table_of({}).answer({"p": [0.25], "q": [1.0]}, single=False) == {"p": 0.25, "q": 1.0}


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_files_hold_what_frames_hold(tmp_path, library):
    frame = library(ROWS)
    upload = table_of(frame).write(tmp_path)
    if upload.media_type == "text/csv":
        read = pd.read_csv(upload.path, parse_dates=["when"])
        assert read["a"].tolist()[::2] == [1.5, 1e-300]
        assert read["d"].tolist() == [3, -2, 2**53 + 1]
        assert read["when"].isna().tolist() == [False, True, False]
    else:
        assert pl.read_parquet(upload.path).rows() == pl.DataFrame(ROWS).rows()


def test_files_hold_what_records_and_arrays_hold(tmp_path):
    written = table_of(ROWS).write(tmp_path)
    assert [json.loads(line)["d"] for line in written.path.read_text().splitlines()] == [3, -2, 2**53 + 1]
    x = np.array([[1, 2.5], [3, np.nan]], object)
    pair = table_of((x, ["r", "g"]))
    with np.load(pair.write(tmp_path).path) as file:  # no pickle
        np.testing.assert_array_equal(file["x"], x.astype(float))
        assert file["y"].tolist() == ["r", "g"]
    assert pair.target == "y"
    assert table_of((x, np.zeros((2, 3)))).target == ["y0", "y1", "y2"]
