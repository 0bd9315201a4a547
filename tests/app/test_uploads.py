"""Uploads over HTTP: what is read, in every format and coding."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from other_files import images, npz
from tiny_table import (
    CSV,
    FILES,
    JSON,
    NDJSON,
    NPZ,
    PARQUET,
    RECORDS,
    TYPES,
    ZIP,
    ndjson,
    parquet,
    rows_of,
    types_of,
)

from app.datasets.formats import ENDINGS, MEDIA_TYPES
from app.datasets.schemas import UPLOAD_BODY

pytestmark = pytest.mark.slow  # many real children


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory) -> Iterator[Any]:
    """One service for the whole module."""
    with start_service(tmp_path_factory.mktemp("uploads")) as running:
        yield running


def read_as(service, data: bytes, content_type: str = CSV) -> list[dict[str, Any]]:
    return rows_of(service, service.upload(data, content_type)["id"])


@pytest.mark.parametrize("content_type", FILES)
def test_every_format_gives_the_same_table(service, content_type: str) -> None:
    dataset = service.upload(FILES[content_type], f"{content_type}; charset=utf-8")
    assert (dataset["rows"], dataset["format"]) == (4, MEDIA_TYPES[content_type])
    assert types_of(dataset) == TYPES
    assert rows_of(service, dataset["id"]) == RECORDS


def test_the_answer_describes_the_upload(service) -> None:
    data = FILES[CSV]
    response = service.client.post(
        "/v1/datasets", content=data, params={"name": "tiny é"}, headers={"Content-Type": CSV}
    )
    dataset = response.json()
    assert response.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert service.client.get(response.headers["location"]).json() == dataset
    assert (dataset["name"], dataset["tags"]) == ("tiny é", [])
    assert (dataset["bytes"], dataset["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", dataset["created_at"])
    number = dataset["columns"][1]
    assert (number["missing"], number["distinct"], number["min"], number["max"]) == (1, 3, -2.0, 3.0)
    assert [warning["code"] for warning in dataset["warnings"]] == ["few_rows"]


@pytest.mark.parametrize("body", ["raw", "two members", "form"])
def test_gzip(service, body: str) -> None:
    data = FILES[CSV]
    if body == "form":
        response = service.client.post("/v1/datasets", files={"file": ("x.csv.gz", gzip.compress(data))})
    else:
        cut = len(data) // 2 if body == "two members" else len(data)
        packed = gzip.compress(data[:cut]) + gzip.compress(data[cut:])
        headers = {"Content-Type": CSV, "Content-Encoding": "gzip"}
        response = service.client.post("/v1/datasets", content=packed, headers=headers)
    assert response.status_code == 201, response.text
    assert response.json()["sha256"] == hashlib.sha256(data).hexdigest()
    assert rows_of(service, response.json()["id"]) == RECORDS


@pytest.mark.parametrize(
    ("filename", "content_type", "fields", "name"),
    [
        ("penguins.v2.csv", "text/csv", {}, "penguins.v2"),
        ("penguins.csv", "application/octet-stream", {}, "penguins"),
        ("C:\\data\\penguins.CSV", "application/vnd.ms-excel", {}, "penguins"),
        ("whatever", "text/csv; charset=utf-8", {"name": "pingüinos"}, "pingüinos"),
        ("", "text/csv", {}, "data set"),
    ],
)
def test_form(service, filename: str, content_type: str, fields: dict[str, str], name: str) -> None:
    files = {"file": (filename, FILES[CSV], content_type)}
    if not filename:
        files = {"file": (None, FILES[CSV], content_type)}
    response = service.client.post("/v1/datasets", files=files, data=fields)
    assert response.status_code == 201, response.text
    assert response.json()["name"] == name
    assert rows_of(service, response.json()["id"]) == RECORDS


@pytest.mark.parametrize("ending", ENDINGS)
def test_form_by_ending(service, ending: str) -> None:
    files_of = FILES | {
        NPZ: npz(x=np.zeros((12, 2)), y=np.zeros(12)),
        ZIP: images({"a": [np.zeros((2, 2), np.uint8)]}),
    }
    data = next(
        files_of[media_type] for media_type, format_ in MEDIA_TYPES.items() if format_ == ENDINGS[ending]
    )
    files = {"file": (f"x{ending}", data, "application/octet-stream")}
    response = service.client.post("/v1/datasets", files=files)
    assert response.status_code == 201, response.text


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"\xef\xbb\xbfa,b\r\n1,x\r\n2,y\r\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (b'a,b\n1,"x,\n""y"""\n', [{"a": 1, "b": 'x,\n"y"'}]),
        (b'"a\n1","b;c"\n1,x\n', [{"a\n1": 1, "b;c": "x"}]),
        (b"a;b\n1,5;x\n2,5;y\n", [{"a": "1,5", "b": "x"}, {"a": "2,5", "b": "y"}]),
        (b"a\tb\n1\tx\n", [{"a": 1, "b": "x"}]),
        (b" a , b \n 1 , x \n", [{"a": 1, "b": "x"}]),
        (b"a\nx\n\ny\n\n", [{"a": "x"}, {"a": "y"}]),
        (b"\n\na,b\n1,\n\n,\n,x", [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
        (
            b"a,b\nNA,1e400\n3,-inf\n4,2.5\n",
            [{"a": None, "b": None}, {"a": 3, "b": None}, {"a": 4, "b": 2.5}],
        ),
    ],
    ids=[
        "bom crlf",
        "quotes",
        "header",
        "semicolon",
        "tab",
        "spaces",
        "blank lines",
        "empty fields",
        "infinite",
    ],
)
def test_csv_as_people_write_it(service, data: bytes, rows: list[dict[str, Any]]) -> None:
    assert read_as(service, data) == rows


@pytest.mark.parametrize(
    ("records", "rows"),
    [
        ([{"a": 1}, {"b": "x"}], [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
        ([{"a": 1}, {"a": 2.5}, {"a": None}], [{"a": 1}, {"a": 2.5}, {"a": None}]),
        ([{"a": 1}, {"a": "x"}, {"a": True}], [{"a": "1"}, {"a": "x"}, {"a": "true"}]),
        ([{"a": 2**70}, {"a": 1}], [{"a": 2.0**70}, {"a": 1}]),
        ([{"a": "2024-02-29"}, {"a": None}], [{"a": "2024-02-29T00:00:00"}, {"a": None}]),
    ],
    ids=["keys", "numbers", "mixture", "large", "times"],
)
def test_json_as_people_write_it(service, records: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    assert read_as(service, json.dumps(records).encode(), JSON) == rows
    assert read_as(service, ndjson(records), NDJSON) == rows


def test_columns_of_later_batches(service) -> None:
    records = [{"a": i} for i in range(50_001)] + [{"a": "x", "b": 1.5}]
    dataset = service.upload(ndjson(records), NDJSON)
    last = service.client.get(f"/v1/datasets/{dataset['id']}/rows", params={"cursor": "50000"}).json()
    assert last == {"items": [{"a": "50000", "b": None}, {"a": "x", "b": 1.5}], "next_cursor": None}


def test_decimal_and_time_zone(service) -> None:
    frame = pl.DataFrame({"price": ["1.50", "2.25"], "at": ["2024-01-01T12:00:00+02:00"] * 2}).select(
        pl.col("price").cast(pl.Decimal(10, 2)), pl.col("at").str.to_datetime(time_zone="UTC")
    )
    dataset = service.upload(parquet(frame), PARQUET)
    assert types_of(dataset) == {"price": "numeric", "at": "datetime"}
    assert rows_of(service, dataset["id"])[0] == {"price": 1.5, "at": "2024-01-01T10:00:00"}


@pytest.mark.parametrize(
    "media_type", [m for m, c in UPLOAD_BODY["requestBody"]["content"].items() if "example" in c]
)
def test_the_documented_examples_work(service, media_type: str) -> None:
    example = UPLOAD_BODY["requestBody"]["content"][media_type]["example"]
    data = example if isinstance(example, str) else json.dumps(example)
    assert service.upload(data.encode(), media_type)["rows"] >= 2


def test_every_format_is_documented() -> None:
    assert {*MEDIA_TYPES, "multipart/form-data"} == set(UPLOAD_BODY["requestBody"]["content"])
