"""Small valid uploads in every format, and ways to spoil them."""

import gzip
import io
import json
import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zipfile import ZIP_STORED

import numpy as np
import polars as pl
from other_files import Day, archive, image, images, npy, npz, xlsx

PIXELS = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
RICH = pl.DataFrame(
    {
        "word": ["a", "b", None, 'a, "b"\n', "é𝄞"],
        "number": [1.5, None, float("nan"), -2.0, 1e308],
        "whole": [1, 2, 3, 4, -(2**63)],
        "unsigned": pl.Series([0, 1, 2, None, 2**64 - 1], dtype=pl.UInt64),
        "truth": [True, False, None, True, True],
        "day": [date(2020, 1, 1), None, date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1)],
        "moment": pl.Series([datetime(2020, 1, 1, 1, 2, 3, 4)] * 5, dtype=pl.Datetime("ns", "Europe/Berlin")),  # noqa: DTZ001 - polars gives it its zone
        "kind": pl.Series(["x", "y", "x", None, "y"], dtype=pl.Categorical),
        "level": pl.Series(["lo", "hi", "lo", None, "hi"], dtype=pl.Enum(["lo", "hi"])),
    }
)
PLAIN = RICH.select("word", "number", "whole", "truth")
ODD = pl.DataFrame(
    {
        "money": [Decimal("1.10"), Decimal("-99999.99"), None],
        "span": [timedelta(seconds=1), None, timedelta(days=999)],
        "hour": [time(1, 2), None, time(23, 59, 59)],
        "list": [[1, 2], [], None],
        "pair": [{"a": 1, "b": "x"}, None, {"a": 2, "b": "y"}],
        "bytes": [b"\x00\xff", b"", None],
    }
)
LONG = pl.DataFrame({"n": range(3000), "w": [f"word {i % 7} {'x' * (i % 40)}" for i in range(3000)]})
FRAMES = (RICH, PLAIN, ODD.select("money"), ODD, LONG)
BOUNDARY = "x-boundary"


def _parquet(frame: pl.DataFrame, **options: object) -> bytes:
    frame.write_parquet(buffer := io.BytesIO(), **options)
    return buffer.getvalue()


def _arrow(frame: pl.DataFrame, compression: str) -> bytes:
    frame.write_ipc(buffer := io.BytesIO(), compression=compression)
    return buffer.getvalue()


def _records(frame: pl.DataFrame) -> list[dict[str, object]]:
    return json.loads(frame.write_json())


def _ndjson(frame: pl.DataFrame) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in _records(frame))


def _form(name: bytes, filename: bytes, data: bytes) -> bytes:
    begin, end = f"--{BOUNDARY}\r\n".encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
    field = b'Content-Disposition: form-data; name="name"\r\n\r\n' + name + b"\r\n"
    file = b'Content-Disposition: form-data; name="file"; filename="' + filename + b'"\r\n'
    return begin + field + begin + file + b"Content-Type: text/csv\r\n\r\n" + data + end


def _seeds() -> dict[str, list[bytes]]:
    text = [RICH.write_csv(), PLAIN.write_csv(), "a;b\n1,5;2\n", "\ufeffa\n1\n", "a,b\r\n?,NA\r\n1e5,-0\r\n"]
    csv = [table.encode() for table in text]
    tsv = [table.write_csv(separator="\t").encode() for table in (RICH, PLAIN)]
    records = [_records(PLAIN), _records(RICH), [{"a": 1}, {"b": "x"}, {"a": None, "b": 10**30}]]
    return {
        "csv": csv,
        "tsv": [*tsv, b"a\tb\n1\t2\n"],
        "ndjson": [_ndjson(PLAIN), _ndjson(RICH), b'{"a": 1}\n{"a": "x"}\n\n{"a": 1.5, "b": true}\n'],
        "json": [json.dumps(some).encode() for some in records],
        "parquet": [
            *(_parquet(frame, compression="uncompressed") for frame in FRAMES),
            _parquet(LONG, compression="zstd", row_group_size=500),
            _parquet(RICH, compression="snappy"),
            _parquet(RICH, compression="lz4"),
            _parquet(RICH, compression="gzip"),
        ],
        "arrow": [
            *(_arrow(frame, "uncompressed") for frame in FRAMES),
            *(_arrow(frame, kind) for frame in (RICH, LONG) for kind in ("lz4", "zstd")),
        ],
        "npz": [
            npz(x=np.arange(12.0).reshape(4, 3), y=np.array(["a", "b", "a", "é"])),
            npz(x=np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3), y=np.array([0, 1], ">i2")),
            archive(
                {"x.npy": npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }", b"12345678")}
            ),
        ],
        "zip": [
            images({"a": [PIXELS, PIXELS[..., 0]], "b": [PIXELS // 2]}),
            archive({"a/1.jpg": image(PIXELS, "JPEG"), "b/2.png": image(PIXELS), "c.txt": b"x"}, ZIP_STORED),
        ],
        "xlsx": [xlsx({"one": [PLAIN.columns, *PLAIN.rows()[:2]], "two": [["when"], [Day(45000.5)]]})],
        "gzip": [gzip.compress(data, mtime=0) for data in csv]
        + [gzip.compress(b"a\n") + gzip.compress(b"1\n")],
        "form": [
            _form(b"penguins", b"x.csv", csv[1]),
            _form("é".encode(), b"y.csv.gz", gzip.compress(csv[2])),
        ],
        "predict json": [
            json.dumps({"records": records[0]}).encode(),
            b'{"inputs": [["x", 1.5, null, true], ["y", -1e300, 0, false]]}',
        ],
        "predict csv": csv,
    }


SEEDS = _seeds()

EXTREME_NUMBERS = (
    b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"9" * 400, b"1" + b"0" * 5000, b"-0.0", b"18446744073709551616",
    b"0x10", b"1_000", b"9223372036854775808", b"1e308", b"4.9e-324", b"\xd9\xa1", b"99999-12-31", b"0000-00-00",
)  # fmt: skip
ODD_TEXTS = (
    b'"', b'""', b"'", b"\n", b"\r", b"\r\n", b"\0", b",", b";", b"\t", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\\ud800", b"\\u0000", b"{", b"}", b"[" * 40, b"]", b":", b"\\", b"\xe2\x80\xae", b"=cmd()", b"null", b"true",
    b"%s%n", b"../../etc/passwd", b"--" + BOUNDARY.encode(), b"PAR1", b"ARROW1",
)  # fmt: skip
EXTREME_WORDS = (0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**15, 255, 2**24)

Mutation = Callable[[random.Random, bytearray, list[bytes]], None]


def _place(chance: random.Random, data: bytearray) -> int:
    """Somewhere, half of the time near an end: what describes a file stands there."""
    size = len(data)
    if size > 200 and chance.random() < 0.5:
        near = chance.randrange(200)
        return near if chance.random() < 0.3 else size - 1 - near
    return chance.randrange(size + 1)


def _flip_bits(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    for _once in range(chance.choice((1, 1, 1, 2, 8))):
        if data:
            data[min(_place(chance, data), len(data) - 1)] ^= 1 << chance.randrange(8)


def _set_bytes(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    if data:
        at = min(_place(chance, data), len(data) - 1)
        count = chance.choice((1, 1, 2, 4, 16))
        data[at : at + count] = bytes(chance.choice((0, 1, 0x7F, 0x80, 0xFF)) for _once in range(count))


def _truncate(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    del data[_place(chance, data) :]


def _cut(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    at = _place(chance, data)
    del data[at : at + chance.choice((1, 2, 4, 8, 64))]


def _repeat(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    at, size = _place(chance, data), chance.choice((1, 4, 16, 256))
    data[at:at] = data[at : at + size] * chance.choice((1, 2, 10))


def _splice(chance: random.Random, data: bytearray, others: list[bytes]) -> None:
    other = chance.choice(others)
    at, start = _place(chance, data), chance.randrange(len(other))
    size = chance.choice((4, 32, 256, len(other)))
    data[at : at + chance.choice((0, size))] = other[start : start + size]


def _lie_about_a_length(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    size = chance.choice((1, 2, 4, 4, 4, 8))
    value = chance.choice((*EXTREME_WORDS, len(data), chance.randrange(2**16)))
    at = _place(chance, data)
    if chance.random() < 0.5:
        at -= at % 4  # where the words of most binary formats begin
    data[at : at + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")


def _insert_number(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    at = _place(chance, data)
    data[at : at + chance.choice((0, 0, 1, 3))] = chance.choice(EXTREME_NUMBERS)


def _insert_text(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    at = _place(chance, data)
    data[at : at + chance.choice((0, 0, 1))] = chance.choice(ODD_TEXTS)


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits, _set_bytes, _truncate, _cut, _repeat, _splice, _lie_about_a_length, _insert_number, _insert_text,
)  # fmt: skip


def mutated(format_: str, seed: int, index: int) -> bytes:
    """The spoilt upload of this number: the same for the same three arguments."""
    chance = random.Random(f"{format_} {seed} {index}")
    seeds = SEEDS[format_]
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        chance.choice(MUTATIONS)(chance, data, seeds)
    return bytes(data)
