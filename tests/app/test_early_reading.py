"""Large delimited text is read while it is still on its way: the same table, and the same errors."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from tiny_table import CSV

from app import dependencies
from app.datasets import csv_blocks, early_reading, growing_file, runner
from app.datasets import service as datasets
from app.datasets.growing_file import Abandoned, GrowingFile, end_of

pytestmark = pytest.mark.slow  # real children

ROWS = 120_000
TABLE = "a,b,c\n" + "".join(f"{i},{i / 7:.6f},word {i % 40}\n" for i in range(ROWS))
FEW_ROWS = TABLE[: TABLE.index("\n4000,") + 1]
LATE_WORD = TABLE + "late,1,2\n"
SHORT_LINE = TABLE + "1,2\n"


def parts(text: str, pause: float = 0.0) -> Iterator[bytes]:
    """The text in three parts, with a pause before the last."""
    data = text.encode()
    third = len(data) // 3
    yield data[:third]
    yield data[third : 2 * third]
    time.sleep(pause)
    yield data[2 * third :]


def write_slowly(path: Path, text: str) -> threading.Thread:
    """Begin to write a file that is whole some moments later."""
    path.touch()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            for start in range(0, len(text), 1000):
                file.write(text[start : start + 1000].encode())
                time.sleep(0.001)
        end_of(path).touch()

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "text", [FEW_ROWS, FEW_ROWS + "0,late,1\n", "a\n1"], ids=["plain", "late word", "short"]
)
def test_a_file_that_grows(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 4096)
    whole, growing = tmp_path / "whole", tmp_path / "growing"
    whole.write_text(text)
    growing.write_text(text[:6])  # the header is there
    writer = write_slowly(growing, text[6:])
    found = runner.read_growing_table(growing, "csv", tmp_path / "growing.arrow")
    writer.join()
    assert found == runner.read_table(whole, "csv", tmp_path / "whole.arrow")
    assert pl.read_ipc(tmp_path / "growing.arrow").equals(pl.read_ipc(tmp_path / "whole.arrow"))


def test_whole_buffers_until_the_end(tmp_path: Path) -> None:
    text = TABLE[:50_000]
    writer = write_slowly(tmp_path / "file", text)
    buffer, counts = bytearray(7000), []
    with GrowingFile(tmp_path / "file") as file:
        while count := file.readinto(memoryview(buffer)):
            counts.append(count)
    writer.join()
    assert counts == [7000] * 7 + [1000]


def test_a_file_that_is_deleted_or_comes_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    with GrowingFile(path) as file:
        path.unlink()
        with pytest.raises(Abandoned):
            file.readinto(memoryview(bytearray(10)))
    path.write_text("1")
    monkeypatch.setattr(growing_file, "STALL_SECONDS", 0.05)
    with GrowingFile(path) as file, pytest.raises(Abandoned):
        file.readinto(memoryview(bytearray(10)))
    assert runner.read_growing_table(path, "csv", tmp_path / "table") == {}


class Calls:
    """Which functions were called in children, and when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: dict[str, float] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        for module in (early_reading, datasets):
            monkeypatch.setattr(module, "call", self._recording(module.call))

    def _recording(self, call: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def recorded(function: str, *args: object, **options: Any) -> dict[str, Any]:
            name = function.partition(":")[2]
            self.begun[name] = time.monotonic()
            self.answers[name] = call(function, *args, **options)
            return self.answers[name]

        return recorded


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.setattr(early_reading, "FROM_BYTES", 1 << 20)
    return Calls(monkeypatch)


def described(answer: httpx.Response) -> dict[str, Any]:
    dataset = answer.json()
    return {name: dataset[name] for name in ("rows", "columns", "warnings", "bytes", "sha256", "format")}


def read_at_once(service: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> httpx.Response:
    """The answer to an upload that is read after its last byte."""
    with monkeypatch.context() as patched:
        patched.setattr(early_reading, "FROM_BYTES", 1 << 40)
        return service.client.post("/v1/datasets", content=text.encode(), headers={"Content-Type": CSV})


@pytest.mark.parametrize("text", [TABLE, LATE_WORD], ids=["plain", "late word"])
def test_an_upload_is_read_before_its_last_byte(
    service: Any, calls: Calls, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = service.client.post(
        "/v1/datasets", content=parts(text, pause=0.5), headers={"Content-Type": CSV}
    )
    end = time.monotonic()
    assert answer.status_code == 201
    assert set(calls.begun) == {"read_growing_table"}
    assert end - calls.begun["read_growing_table"] > 0.4
    assert described(answer) == described(read_at_once(service, text, monkeypatch))
    kept = pl.read_ipc(service.context.storage.dataset(answer.json()["id"]))
    assert kept["a"].to_list()[-2:] == (["119999", "late"] if text == LATE_WORD else [119998, 119999])
    assert service.context.readers.available_tokens == 2


def test_other_ways_to_send_it(service: Any, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    data = TABLE.encode()
    compressed = service.client.post(
        "/v1/datasets",
        content=gzip.compress(data, 1),
        headers={"Content-Type": CSV, "Content-Encoding": "gzip"},
    )
    form = service.client.post("/v1/datasets", files={"file": ("table.csv", data)})
    assert set(calls.begun) == {"read_growing_table"}
    expected = described(read_at_once(service, TABLE, monkeypatch))
    assert described(compressed) == expected
    assert described(form) == expected


def test_the_error_is_that_of_the_whole_file(
    service: Any, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = service.client.post("/v1/datasets", content=parts(SHORT_LINE), headers={"Content-Type": CSV})
    assert (answer.status_code, calls.answers["read_growing_table"]) == (422, {})
    assert answer.json()["detail"] == read_at_once(service, SHORT_LINE, monkeypatch).json()["detail"]
    assert f"line {ROWS + 2} has 2 fields" in answer.json()["detail"]


def test_who_stops_sending_leaves_nothing(service: Any, calls: Calls) -> None:
    def broken() -> Iterator[bytes]:
        yield from list(parts(TABLE))[:2]
        raise ConnectionAbortedError

    with suppress(ConnectionAbortedError):
        service.client.post("/v1/datasets", content=broken(), headers={"Content-Type": CSV})
    end = time.monotonic() + 20
    while "read_growing_table" not in calls.answers or list(service.context.storage.tmp.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert calls.answers["read_growing_table"] == {}
    assert service.client.get("/v1/datasets").json()["items"] == []
    assert service.context.readers.available_tokens == 2


def test_the_last_reader_is_left_to_others(
    start_service: Any, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "READERS", 1)
    with start_service(tmp_path / "data") as service:
        answer = service.client.post("/v1/datasets", content=parts(TABLE), headers={"Content-Type": CSV})
    assert answer.status_code == 201
    assert set(calls.begun) == {"read_table"}
