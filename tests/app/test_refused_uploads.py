"""Uploads that are refused: each a problem that says what is wrong and where, and nothing is left behind."""

import gzip
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select
from tiny_table import ARROW, CSV, FILES, FRAME, JSON, NDJSON, PARQUET, TSV, arrow, assert_problem, parquet

from app.datasets.store import DatasetRow

pytestmark = pytest.mark.slow  # many real children


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory) -> Iterator[Any]:
    """One service for the whole module, with a small limit on uploads."""
    with start_service(tmp_path_factory.mktemp("refused"), max_upload_bytes=3 << 20) as running:
        yield running


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


def corrupt(data: bytes) -> bytes:
    return data.replace(b"aaaaaaaa", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe")


LONG = pl.DataFrame({"word": ["bbbb" + "a" * 40, "c"]})
YEAR_10000 = pl.DataFrame({"when": pl.Series([0, 253_402_300_800_000_000], dtype=pl.Datetime("us"))})
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
    "gzip without saying so": (CSV, gzip.compress(b"a,b\n1,2\n"), "with the header Content-Encoding: gzip"),
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
    "arrow of the year 10000": (
        ARROW,
        arrow(YEAR_10000),
        "column 'when' holds a time outside the years 1 to 9999 in row 2",
    ),
    "parquet of the year 10000": (
        PARQUET,
        parquet(YEAR_10000),
        "a time outside the years 1 to 9999 in row 2",
    ),
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
    "form with a huge header": (
        form(("file", f'; filename="{"x" * 5000}.csv"', b"a")),
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
