"""Data sets over HTTP: what is read, what is refused, and that a refused upload leaves nothing behind."""

import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select, types

from app.database import now
from app.datasets.formats import ENDINGS, MEDIA_TYPES
from app.datasets.schemas import UPLOAD_BODY
from app.datasets.store import DatasetRow
from app.jobs.store import JobInputRow, JobRow
from engine.encoding import ColumnType

CSV, TSV, NDJSON, JSON, PARQUET, ARROW = MEDIA_TYPES

FRAME = pl.DataFrame(
    {
        "word": ["a", "b", None, "a"],
        "number": [1.5, None, 3.0, -2.0],
        "whole": [1, 2, 3, 4],
        "truth": [True, False, None, True],
    }
)
RECORDS = FRAME.to_dicts()
TYPES: dict[str, ColumnType] = {
    "word": "categorical",
    "number": "numeric",
    "whole": "numeric",
    "truth": "boolean",
}


def parquet(frame: pl.DataFrame) -> bytes:
    frame.write_parquet(buffer := io.BytesIO())
    return buffer.getvalue()


def arrow(frame: pl.DataFrame) -> bytes:
    frame.write_ipc(buffer := io.BytesIO())
    return buffer.getvalue()


def ndjson(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


FILES = {
    CSV: FRAME.write_csv().encode(),
    TSV: FRAME.write_csv(separator="\t").encode(),
    NDJSON: ndjson(RECORDS),
    JSON: json.dumps(RECORDS).encode(),
    PARQUET: parquet(FRAME),
    ARROW: arrow(FRAME),
}


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory) -> Iterator[Any]:
    """One service for the whole module, with a small limit on uploads."""
    with start_service(tmp_path_factory.mktemp("datasets"), max_upload_bytes=3 << 20) as running:
        yield running


def rows_of(service, dataset_id: str) -> list[dict[str, Any]]:
    return service.client.get(f"/v1/datasets/{dataset_id}/rows", params={"limit": 100}).json()["items"]


def types_of(dataset: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in dataset["columns"]}


def read_as(service, data: bytes, content_type: str = CSV) -> list[dict[str, Any]]:
    return rows_of(service, service.upload(data, content_type)["id"])


def count(service) -> int:
    with service.context.database.read() as session:
        return session.scalar(select(func.count()).select_from(DatasetRow))


@pytest.fixture
def nothing_left(service) -> Iterator[None]:
    """What the test does leaves neither a row nor a file."""
    before = count(service), service.files()
    yield
    assert (count(service), service.files()) == before
    assert list(service.context.storage.tmp.iterdir()) == []


# What is read


@pytest.mark.parametrize("content_type", MEDIA_TYPES)
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
    data = next(
        FILES[media_type] for media_type, format_ in MEDIA_TYPES.items() if format_ == ENDINGS[ending]
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


# What is refused


def corrupt(data: bytes) -> bytes:
    return data.replace(b"aaaaaaaa", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe")


LONG = pl.DataFrame({"word": ["bbbb" + "a" * 40, "c"]})
NESTED = pl.DataFrame({"plain": [1], "list": [[1, 2]]})

UNREADABLE = {
    "empty": (CSV, b"", "the body is empty"),
    "white space": (CSV, b" \n\r\n ", "the body is empty"),
    "header only": (CSV, b"a,b\n", "no rows"),
    "only rows without values": (CSV, b"a,b\n,\n\n", "no rows"),
    "equal names": (CSV, b"a,b,a\n1,2,3\n", "same name: 'a'"),
    "nameless": (CSV, b"a,,c\n1,2,3\n", "column 2 of 3 has no name"),
    "short row": (CSV, b"a,b,c\n1,2,3\n4,5\n", "line 3 has 2 fields, but the header has 3 columns"),
    "short row after quoted line ends": (CSV, b'a,b\n"1\n2",3\n4\n', "line 4 has 1 field,"),
    "long row": (CSV, b"a,b\n1,2\n\n3,4,5\n", "line 4 has 3 fields, but the header has 2 columns"),
    "ragged tsv": (TSV, b"a\tb\n1\n", "line 2 has 1 field,"),
    "open quote": (CSV, b'a,b\n1,2\n3,"4\n', "line 3: a quote is opened and never closed"),
    "text after a quote": (CSV, b'a,b\n1,"2"x\n', "line 2: ',' expected after '\"'"),
    "quote in a bare field": (CSV, b'a,b\n1,5" pipe\n', "must stand in quotes"),
    "carriage returns": (CSV, b"a,b\r1,2\r3,4", "must end with LF or CRLF"),
    "latin-1": (CSV, "a,b\n1,2\n3,é\n".encode("latin-1"), "line 3 is not UTF-8: byte 0xe9 at offset 10"),
    "utf-16": (CSV, "a,b\n1,2\n".encode("utf-16"), "line 1 is not UTF-8: byte 0xff at offset 0"),
    "cut off character": (
        CSV,
        "a,b\n1,é".encode()[:-1],
        "line 2 ends within a UTF-8 character (at offset 6)",
    ),
    "split character": (CSV, b"a\n" + b"x" * ((1 << 20) - 3) + b"\xc3(\n", "line 2 is not UTF-8: byte 0xc3"),
    "nul": (CSV, b"a,b\n1,2\n3,\x004\n", "line 3 holds a NUL byte (at offset 10)"),
    "gzip without saying so": (CSV, gzip.compress(b"a,b\n1,2\n"), "line 1 is not UTF-8"),
    "too many columns": (
        CSV,
        ",".join(f"c{i}" for i in range(10_001)).encode() + b"\n1\n",
        "10,001 columns; at most 10,000",
    ),
    "json object": (JSON, b'{"a": 1}', "must be a list of objects"),
    "json of lists": (JSON, b"[[1, 2]]", "row 1 must be an object"),
    "json without rows": (JSON, b"[]", "no rows"),
    "empty json object": (JSON, b'[{"a": 1}, {}]', "row 2 is an object without a key"),
    "nested json": (JSON, b'[{"a": 1}, {"a": 2, "b/c": {"d": 1}}]', "row 2, key 'b/c': nested values"),
    "broken json": (JSON, b'[{"a": 1},\n {"a": }]', "line 2, column 8: not valid JSON"),
    "nan": (JSON, b'[{"a": NaN}]', "NaN is not JSON"),
    "infinite": (JSON, b'[{"a": 1e999}]', "the number 1e999 is too large"),
    "400 digits": (JSON, b'[{"a": ' + b"9" * 401 + b"}]", "a number of 401 digits is too long"),
    "350 digits": (JSON, b'[{"a": ' + b"9" * 350 + b"}]", "row 1, key 'a': the number is too large"),
    "deep": (JSON, b'[{"a":' + b"[" * 40 + b"]" * 40 + b"}]", "nested deeper than 32"),
    "equal keys": (JSON, b'[{"a": 1, "a": 2}]', "the key 'a' occurs twice"),
    "half a surrogate": (JSON, b'[{"a": "\\ud800"}]', "half of a surrogate pair"),
    "nameless key": (JSON, b'[{"": 1}]', "column 1 of 1 has no name"),
    "broken line": (NDJSON, b'{"a": 1}\n\n{"a": 1\n', "line 3, column 8: not valid JSON"),
    "nested line": (NDJSON, b'{"a": 1}\n{"a": [1]}\n', "line 2, key 'a': nested values"),
    "line that is no object": (NDJSON, b'{"a": 1}\n3\n', "line 2 must be an object"),
    "nan line": (NDJSON, b'{"a": 1}\n{"a": NaN}\n', "line 2, column 7: not valid JSON: NaN"),
    "no parquet": (PARQUET, b"hello, this is no parquet file", "not a valid Parquet file"),
    "empty parquet": (PARQUET, b"", "the body is empty"),
    "cut parquet": (PARQUET, FILES[PARQUET][:-20], "not a valid Parquet file"),
    "parquet text not utf-8": (
        PARQUET,
        corrupt(FILES[PARQUET].replace(b"PAR1", b"PARX")),
        "not a valid Parquet",
    ),
    "parquet without rows": (PARQUET, parquet(FRAME.clear()), "no rows"),
    "nested parquet": (PARQUET, parquet(NESTED), "column 'list' holds List"),
    "no arrow": (ARROW, b"hello, this is no arrow file", "not a valid Arrow IPC file"),
    "empty arrow": (ARROW, b"", "the body is empty"),
    "cut arrow": (ARROW, FILES[ARROW][: len(FILES[ARROW]) // 2], "not a valid Arrow IPC file"),
    "arrow text not utf-8": (ARROW, corrupt(arrow(LONG)), "not a valid Arrow IPC file: invalid utf8"),
    "nested arrow": (ARROW, arrow(NESTED), "column 'list' holds List"),
}


@pytest.mark.parametrize(("content_type", "data", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.usefixtures("nothing_left")
def test_unreadable(service, content_type: str, data: bytes, sentence: str) -> None:
    response = service.client.post("/v1/datasets", content=data, headers={"Content-Type": content_type})
    problem = assert_problem(response, 422, "unreadable_file", sentence)
    assert str(service.settings.data) not in response.text
    if sentence.startswith("row 2, key"):
        assert problem["errors"][0]["pointer"] == "/1/b~1c"


def packed(data: bytes) -> dict[str, Any]:
    return {"content": data, "headers": {"Content-Type": CSV, "Content-Encoding": "gzip"}}


def form(*parts: tuple[str, str, bytes], end: str = "--x--\r\n") -> dict[str, Any]:
    body = b""
    for name, more, data in parts:
        body += (
            f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"
        )
    return {"content": body + end.encode(), "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


def chunks(size: int) -> Iterator[bytes]:
    """A body whose length is not announced."""
    yield b"a\n"
    for _ in range(size >> 16):
        yield b"1\n" * (1 << 15)


FILE = ("file", '; filename="x.csv"', b"a\n1\n")
PLAIN = {"Content-Type": CSV}
MIB = 1 << 20

REFUSED = {
    "no content type": (
        {"content": b"a\n1\n"},
        415,
        "unsupported_media_type",
        "no Content-Type; allowed are text/csv",
    ),
    "unknown content type": (
        {"content": b"a\n1\n", "headers": {"Content-Type": "application/pdf"}},
        415,
        "unsupported_media_type",
        "'application/pdf' is not read here",
    ),
    "unknown encoding": (
        {"content": b"a\n1\n", "headers": {**PLAIN, "Content-Encoding": "br"}},
        415,
        "unsupported_media_type",
        "'br' is not read here; allowed is gzip",
    ),
    "announced too large": (
        {"content": b"a" * (3 * MIB + 1), "headers": PLAIN},
        413,
        "too_large",
        "3,145,728 bytes",
    ),
    "found too large": ({"content": chunks(4 * MIB), "headers": PLAIN}, 413, "too_large", "3,145,728 bytes"),
    "too large unpacked": (
        packed(gzip.compress(bytes(range(97, 123)) * (MIB // 8))),
        413,
        "too_large",
        "3,145,728",
    ),
    "too large by empty members": (packed(gzip.compress(b"") * (MIB // 5)), 413, "too_large", "3,145,728"),
    "bomb": (packed(gzip.compress(b"1" * 2 * MIB, 9)), 413, "too_large", "grows more than 1000 times"),
    "no gzip": (packed(b"a,b\n1,2\n"), 422, "unreadable_file", "not valid gzip"),
    "cut gzip": (packed(gzip.compress(FILES[CSV])[:-4]), 422, "unreadable_file", "gzip data end too early"),
    "flipped gzip": (
        packed(gzip.compress(b"a\n1\n")[:-8] + b"12345678"),
        422,
        "unreadable_file",
        "not valid gzip",
    ),
    "empty gzip": (packed(b""), 422, "unreadable_file", "the body is empty"),
    "long name": (
        {"content": b"a\n1\n", "headers": PLAIN, "params": {"name": "x" * 201}},
        422,
        "invalid",
        "/query/name: String should have at most 200 characters",
    ),
    "control character in the name": (
        {"content": b"a\n1\n", "headers": PLAIN, "params": {"name": "a\x1bb"}},
        422,
        "invalid",
        "/query/name: control characters",
    ),
    "form without boundary": (
        {"content": b"a", "headers": {"Content-Type": "multipart/form-data"}},
        415,
        "unsupported_media_type",
        "needs a boundary",
    ),
    "form without a file": (form(("name", "", b"x")), 422, "invalid", "the form needs a file"),
    "form with two files": (form(FILE, FILE), 422, "invalid", "'file' comes twice"),
    "form with another field": (form(FILE, ("other", "", b"x")), 422, "invalid", "unknown field 'other'"),
    "form with a long name": (form(FILE, ("name", "", b"x" * 300)), 422, "invalid", "at most 200 characters"),
    "form with a huge name": (
        form(FILE, ("name", "", b"x" * 5000)),
        422,
        "invalid",
        "longer than 200 characters",
    ),
    "form with a name not in UTF-8": (form(FILE, ("name", "", b"\xff")), 422, "invalid", "must be UTF-8"),
    "form cut off": (form(FILE, end=""), 422, "unreadable_form", "ends before its last boundary"),
    "broken form": (
        {"content": b"nonsense", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        422,
        "unreadable_form",
        "the form is broken",
    ),
    "form of an unknown file": (
        form(("file", '; filename="x.pdf"', b"%PDF")),
        415,
        "unsupported_media_type",
        "'x.pdf' says neither",
    ),
    "form too large": (
        form(("file", '; filename="x.csv"', b"a" * (3 * MIB + 1))),
        413,
        "too_large",
        "3,145,728",
    ),
    "form encoded": (
        {
            "content": b"a",
            "headers": {"Content-Type": "multipart/form-data; boundary=x", "Content-Encoding": "gzip"},
        },
        415,
        "unsupported_media_type",
        "a form has no Content-Encoding",
    ),
}


@pytest.mark.parametrize(("request_", "status", "code", "sentence"), REFUSED.values(), ids=REFUSED)
@pytest.mark.usefixtures("nothing_left")
def test_refused(service, request_: dict[str, Any], status: int, code: str, sentence: str) -> None:
    response = service.client.post("/v1/datasets", **request_)
    assert_problem(response, status, code, sentence)


def assert_problem(response: Any, status: int, code: str, sentence: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance", "errors"}
    assert (problem["type"], problem["status"]) == (f"urn:backpropd:{code}", status)
    assert sentence in problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"memory_budget": 1 << 20}, "could not be read"),
        ({"read_seconds": 0.02}, "took longer than 0.02 seconds"),
    ],
    ids=["memory", "time"],
)
def test_a_reader_over_its_limits_is_ended(start_service, tmp_path, settings, sentence: str) -> None:
    data = b"\n".join([b"a,b,c,d"] + [b"x%d,2,3,4" % i for i in range(1_500_000)])
    with start_service(tmp_path / "data", **settings) as service:
        response = service.client.post("/v1/datasets", content=data, headers=PLAIN)
        assert_problem(response, 422, "unreadable_file", sentence)
        assert service.files() == []


# Lists, rows, changes


def test_list_is_light_and_filtered(service) -> None:
    ids = [service.upload(FILES[CSV], name="of the list")["id"] for _ in range(3)]
    assert service.client.patch(f"/v1/datasets/{ids[1]}", json={"tags": ["gold"]}).status_code == 200
    page = service.client.get("/v1/datasets", params={"name": "of the list", "limit": 2}).json()
    assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
    assert {"columns", "warnings"}.isdisjoint(page["items"][0])
    rest = service.client.get(
        "/v1/datasets", params={"name": "of the list", "cursor": page["next_cursor"]}
    ).json()
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    tagged = service.client.get("/v1/datasets", params={"tag": "gold"}).json()["items"]
    assert [item["id"] for item in tagged] == [ids[1]]


def test_rows_in_pages(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}/rows"
    first = service.client.get(path, params={"limit": 3}).json()
    assert (first["items"], first["next_cursor"]) == (RECORDS[:3], "3")
    last = service.client.get(path, params={"limit": 3, "cursor": "3"}).json()
    assert (last["items"], last["next_cursor"]) == (RECORDS[3:], None)
    beyond = service.client.get(path, params={"cursor": "9" * 18}).json()
    assert beyond == {"items": [], "next_cursor": None}
    assert service.client.get(path, params={"cursor": "-1"}).status_code == 422
    assert service.client.get("/v1/datasets/ds_missing/rows").status_code == 404


def test_change_of_type_profiles_anew(service) -> None:
    dataset = service.upload_penguins()
    path = f"/v1/datasets/{dataset['id']}"
    changes = {"name": "birds", "columns": [{"name": "year", "type": "categorical"}]}
    changed = service.client.patch(path, json=changes).json()
    assert changed["name"] == "birds"
    assert changed["columns"][-1]["type"] == "categorical"
    assert changed["columns"][-1]["top"][0] == {"value": "2009", "count": 120}
    assert changed["columns"][:-1] == dataset["columns"][:-1]
    assert service.client.get(path).json() == changed
    assert rows_of(service, dataset["id"])[0]["year"] == "2007"
    back = service.client.patch(path, json={"columns": [{"name": "year", "type": "numeric"}]}).json()
    assert back["columns"] == dataset["columns"]


CHANGES = {
    "impossible type": (
        {"columns": [{"name": "whole", "type": "numeric"}, {"name": "word", "type": "numeric"}]},
        "/columns/1",
        "'a' in row 1 is not a number",
    ),
    "no such column": (
        {"columns": [{"name": "x", "type": "numeric"}]},
        "/columns/0",
        "there is no column 'x'",
    ),
    "no such type": ({"columns": [{"name": "word", "type": "image"}]}, "/columns/0/type", "Input should be"),
    "column twice": (
        {"columns": [{"name": "word", "type": "text"}] * 2},
        "/columns",
        "a column may be named only once",
    ),
    "empty name": ({"name": ""}, "/name", "at least 1 character"),
    "wrong type": ({"name": 3}, "/name", "valid string"),
    "unknown field": ({"nom": "x"}, "/nom", "unknown field"),
    "control character in a tag": ({"tags": ["a\nb"]}, "/tags/0", "control characters"),
}


@pytest.mark.parametrize(("changes", "pointer", "sentence"), CHANGES.values(), ids=CHANGES)
def test_refused_change(service, changes: dict[str, Any], pointer: str, sentence: str) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    before = service.files()
    problem = assert_problem(service.client.patch(path, json=changes), 422, "invalid", sentence)
    assert problem["errors"][0]["pointer"] == pointer
    assert service.client.get(path).json() == dataset
    assert (rows_of(service, dataset["id"]), service.files()) == (RECORDS, before)


def test_a_reader_keeps_the_table_that_it_opened(service) -> None:
    dataset = service.upload(FILES[CSV])
    with service.context.storage.dataset(dataset["id"]).open("rb") as opened:
        changes = {"columns": [{"name": "whole", "type": "categorical"}]}
        assert service.client.patch(f"/v1/datasets/{dataset['id']}", json=changes).status_code == 200
        assert pl.read_ipc(opened).to_dicts() == RECORDS


def test_delete(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    assert service.client.delete(path).status_code == 204
    assert not service.context.storage.dataset(dataset["id"]).exists()
    assert_problem(service.client.get(path), 404, "not_found", f"there is no data set {dataset['id']}")
    assert_problem(service.client.delete(path), 404, "not_found", dataset["id"])
    assert_problem(service.client.patch(path, json={"name": "x"}), 404, "not_found", dataset["id"])


def test_delete_waits_for_unfinished_jobs(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    database = service.context.database
    with database.write() as session:
        session.add(JobRow(**job_row(dataset["id"])))
        session.flush()
        session.add(JobInputRow(job_id="job_1", dataset_id=dataset["id"]))
    assert_problem(service.client.delete(path), 409, "conflict", "still in use by a job")
    assert rows_of(service, dataset["id"]) == RECORDS
    with database.write() as session:  # as the job's end does
        session.delete(session.get(JobInputRow, ("job_1", dataset["id"])))
    assert service.client.delete(path).status_code == 204
    with database.read() as session:
        assert session.get(JobRow, "job_1").dataset_id is None


def job_row(dataset_id: str) -> dict[str, Any]:
    """A job's row with nothing in it but what the table asks for."""
    filled: dict[str, Any] = {}
    for column in JobRow.__table__.columns:
        if not column.nullable:
            kind = dict if isinstance(column.type, types.JSON) else column.type.python_type
            filled[column.name] = now() if column.name == "created_at" else kind()
    return filled | {"id": "job_1", "status": "queued", "dataset_id": dataset_id}
