"""Predictions for an Arrow stream and a .npy file."""

from io import BytesIO

import numpy as np
import polars as pl
import pytest
from hand_made import FEATURES, ROWS, keep, make

from app.predictions import table_bodies
from engine.trust.assurance import ClassConformal, ValueConformal

ARROW, NPY, JSON = "application/vnd.apache.arrow.stream", "application/x-npy", "application/json"
PLACE = "/v1/models/penguins/predict"
RECORDS = [{name: row[name] for name in FEATURES} for row in ROWS]


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


def arrow(frame):
    file = BytesIO()
    frame.write_ipc_stream(file)
    return file.getvalue()


def npy(array):
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


def send(service, body, kind=ARROW, accept="*/*", query=""):
    headers = {"Content-Type": kind, "Accept": accept}
    return service.client.post(PLACE + query, content=body, headers=headers)


def table(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW
    return pl.read_ipc_stream(answer.content)


def as_json(service, records=RECORDS):
    return service.client.post(PLACE, json={"records": records}).json()


@pytest.mark.parametrize(
    "task", ["binary", "multiclass", "regression", "several", "multilabel", "autoencoding"]
)
def test_an_arrow_stream_is_answered_as_records_are(service, task):
    keep(service.context, make(task))
    expected = as_json(service)
    body = arrow(pl.DataFrame(RECORDS))
    assert send(service, body, accept=JSON).json() == expected
    found = table(send(service, body))
    assert found.height == len(RECORDS)
    for row, prediction in zip(found.to_dicts(), expected["predictions"], strict=True):
        for name, value in prediction.items():
            if isinstance(value, dict):
                assert {key: row[f"{name}.{key}"] for key in value} == value
            elif name != "warnings":
                assert row[name] == value


def test_the_columns_are_the_same_whichever_classes_are_on_top(service):
    keep(service.context, make())
    classes = [f"probabilities.{name}" for name in as_json(service)["predictions"][0]["probabilities"]]
    rows = pl.DataFrame(RECORDS)
    found = [
        table(send(service, arrow(rows[i : i + 1]), query="?top=1&columns=bill")) for i in range(rows.height)
    ]
    assert all(one.columns == ["label", *classes, "columns.bill"] for one in found)
    assert all(one.schema == found[0].schema for one in found)
    together = pl.concat(found)
    assert together[classes].null_count().sum_horizontal().sum() == (len(classes) - 1) * len(RECORDS)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "several", "autoencoding"])
@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_the_parts_of_several_children_are_one_answer(service, monkeypatch, task, rows):
    keep(service.context, make(task))
    records = [RECORDS[i % len(RECORDS)] for i in range(rows)]
    body = arrow(pl.DataFrame(records, schema=pl.DataFrame(RECORDS).schema))
    whole = table(send(service, body))
    monkeypatch.setattr(table_bodies, "BYTES_A_CHILD", len(body) // 2)
    monkeypatch.setattr(table_bodies, "_processors", lambda: 3)
    parts = table(send(service, body))
    assert whole.n_chunks() == 1
    assert parts.n_chunks() == (1 if task == "autoencoding" else min(rows, 3))
    assert parts.equals(whole)
    assert parts.schema == whole.schema


def test_what_no_part_can_read_is_refused_once(service, monkeypatch):
    keep(service.context, make())
    monkeypatch.setattr(table_bodies, "BYTES_A_CHILD", 100)
    monkeypatch.setattr(table_bodies, "_processors", lambda: 3)
    answer = send(service, arrow(pl.DataFrame({"bill": ["abc"] * 100})))
    assert answer.status_code == 422, answer.text
    assert "abc" in answer.json()["detail"]


def test_columns_of_any_type_are_read_as_text_would_be(service):
    keep(service.context, make())
    odd = pl.DataFrame(
        {
            "sex": pl.Series([" male ", "NA", "female"], dtype=pl.Categorical),
            "bill": pl.Series([40, 41, None], dtype=pl.UInt8),
            "note": [1, 2, 3],
        }
    )
    records = [{"sex": "male", "bill": 40}, {"bill": 41}, {"sex": "female"}]
    assert send(service, arrow(odd), accept=JSON).json() == as_json(service, records)
    words = pl.DataFrame({"bill": ["40", " 4.1e1 "], "island": [None, None]})
    assert send(service, arrow(words), accept=JSON).json() == as_json(service, [{"bill": 40}, {"bill": 41}])


def test_an_array_of_numbers_is_all_features(service):
    keep(
        service.context,
        make(features=["bill", "mass"], rows=[row | {"bill": 1.0 + i} for i, row in enumerate(ROWS)]),
    )
    values = np.array([[40, 3000], [np.nan, 4000]], np.float32)
    expected = as_json(service, [{"bill": 40, "mass": 3000}, {"mass": 4000}])
    for array in (values, np.asfortranarray(values), values.astype(">f8")):
        assert send(service, npy(array), NPY).json() == expected
    assert table(send(service, npy(values), NPY, accept=ARROW))["label"].to_list() == [
        row["label"] for row in expected["predictions"]
    ]


GOOD = arrow(pl.DataFrame(RECORDS))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", ARROW),
        (b"PAR1", ARROW),
        (GOOD[:-200], ARROW),
        (GOOD[:40] + b"\xff" * 8 + GOOD[48:], ARROW),
        (arrow(pl.DataFrame({"bill": ["abc"]})), ARROW),
        (arrow(pl.DataFrame({"bill": [[1.0]]})), ARROW),
        (arrow(pl.DataFrame(RECORDS).clear()), ARROW),
        (npy(np.zeros(3)), NPY),
        (npy(np.zeros((3, 4))), NPY),
        (npy(np.zeros((2, 3)))[:-1], NPY),
        (npy(np.array([["a", "b", "c"]])), NPY),
        (b"\x93NUMPY\x01\x00", NPY),
    ],
)
def test_what_is_no_such_table_is_refused(service, body, kind):
    keep(service.context, make())
    for accept in (JSON, ARROW):
        answer = send(service, body, kind, accept)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("task", "query"),
    [
        ("binary", "?threshold=0.9"),
        ("multilabel", "?threshold=0.3"),
        ("multiclass", "?top=2&columns=id&columns=sex&columns=nowhere"),
        ("regression", "?columns=id"),
        ("autoencoding", "?columns=bill"),
    ],
)
def test_the_options_are_those_of_records(service, monkeypatch, task, query):
    monkeypatch.setattr(table_bodies, "BYTES_A_CHILD", 100)
    keep(service.context, make(task))
    records = [record | {"id": i} for i, record in enumerate(RECORDS)]
    expected = service.client.post(PLACE + query, json={"records": records}).json()
    body = arrow(pl.DataFrame(records))
    found = send(service, body, accept=JSON, query=query).json()
    for one in expected["predictions"]:  # a table's columns that the model does not know are no oddity
        one["warnings"] = [told for told in one["warnings"] if "unknown column" not in told]
    assert found == expected
    for row, prediction in zip(
        table(send(service, body, query=query)).to_dicts(), expected["predictions"], strict=True
    ):
        for name, value in prediction.items():
            if isinstance(value, dict):
                assert {key: row[f"{name}.{key}"] for key in value} == value
            elif name != "warnings":
                assert row[name] == value


def test_columns_of_any_name_come_back_once(service):
    keep(service.context, make())
    frame = pl.DataFrame(RECORDS).with_columns(pl.Series("*", range(len(RECORDS))))
    query = "?columns=*&columns=*&columns=sex"
    back = [
        one["columns"] for one in send(service, arrow(frame), accept=JSON, query=query).json()["predictions"]
    ]
    assert back == [{"*": i, "sex": record["sex"]} for i, record in enumerate(RECORDS)]
    assert [
        name for name in table(send(service, arrow(frame), query=query)).columns if "columns" in name
    ] == [
        "columns.*",
        "columns.sex",
    ]


SCORES = tuple(i / 10 for i in range(10))


@pytest.mark.parametrize(
    ("task", "conformal", "name"),
    [
        ("multiclass", ClassConformal(scores=SCORES), "set"),
        ("regression", ValueConformal(scores=(SCORES,)), "interval.low"),
    ],
)
def test_sets_and_intervals(service, task, conformal, name):
    keep(service.context, make(task, conformal=conformal))
    expected = service.client.post(f"{PLACE}?interval=0.5", json={"records": RECORDS}).json()
    body = arrow(pl.DataFrame(RECORDS))
    assert send(service, body, accept=JSON, query="?interval=0.5").json() == expected
    found = table(send(service, body, query="?interval=0.5"))
    first, _, inner = name.partition(".")
    assert found[name].to_list() == [
        one[first][inner] if inner else one[first] for one in expected["predictions"]
    ]
    many = table(send(service, arrow(pl.DataFrame(RECORDS * 2500)), query="?interval=0.5"))
    assert many.height == 2500 * len(RECORDS) > 10_000  # in several turns
    assert many[-len(RECORDS) :].equals(found)


def test_what_does_not_suit_is_refused(service):
    keep(service.context, make("regression"))
    told = {
        "?interval=0.5": "no calibration rows",
        "?top=1": "no probabilities",
        "?threshold=0.5": "this model is regression",
        "?explain=shapley": "send the rows as JSON or CSV",
    }
    for query, words in told.items():
        for accept in (JSON, ARROW):
            answer = send(service, GOOD, accept=accept, query=query)
            assert answer.status_code == 422, answer.text
            assert words in answer.json()["detail"]
    answer = send(service, npy(np.zeros((1, 3))), NPY, query="?columns=id")
    assert "no feature 'id'" in answer.json()["detail"]


def test_a_model_that_is_not_there(service):
    answer = service.client.post("/v1/models/nobody/predict", content=GOOD, headers={"Content-Type": ARROW})
    assert answer.status_code == 404


def test_a_table_may_be_larger_than_other_bodies_but_not_without_end(start_service, tmp_path):
    body = arrow(pl.DataFrame(RECORDS * 50))
    limit = -(-len(body) // 8)
    with start_service(tmp_path / "data", max_predict_bytes=limit) as small:
        keep(small.context, make())
        before = small.files()
        assert table(send(small, body)).height == len(RECORDS) * 50
        over = b" " * 8
        for more in (body + over, (piece for piece in (body, over))):  # announced, and not
            answer = send(small, more)
            assert answer.status_code == 413, answer.text
            assert f"{8 * limit:,} bytes" in answer.json()["detail"]
        blank = b" " * limit
        for records in (b"[" + blank, (piece for piece in (b"[", blank))):
            answer = send(small, records, kind=JSON)
            assert (answer.status_code, answer.json()["type"]) == (413, "urn:backpropd:too_large")
        small.client.get("/healthz")
        assert small.files() == before
