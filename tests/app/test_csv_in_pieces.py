"""CSV of any size is read in blocks: the same table, and the same errors, as where it is read at once."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.datasets import csv_blocks, reading_in_pieces, runner
from app.datasets.csv_blocks import read_blocks
from app.datasets.reading_csv import delimited, read_delimited
from app.problems import Invalid

NAMES = "a,b,c\n"
READABLE = {
    "plain": NAMES + "".join(f"{i},{i / 7},x{i}\n" for i in range(300)),
    "without a last line end": NAMES + "1,2,3\n4,5,6",
    "quotes": NAMES + '1,"two, with a ""quote""",3\n' * 40 + '4,"a\nline\r\nbreak",6\n' * 40,
    "one long value": NAMES + '1,"' + "line\n" * 200 + '",3\n4,5,6\n',
    "nothing in the last column": NAMES + "1,2,\n" * 50 + '1,"x,",\n' * 50,
    "blank lines": NAMES + "1,2,3\n\n4,5,6\n\n\n" * 30,
    "lines without values": NAMES + "1,2,3\n,,\n" * 30,
    "a mark at the beginning": "\ufeff" + NAMES + "1,2,3\n" * 50,
    "line ends of two bytes": NAMES.replace("\n", "\r\n") + "1,ü,3\r\n" * 50,
    "one column": "a\n" + "1\n\n2\n" * 50,
    "semicolons": "a;b\n" + "1,5;2\n" * 50,
}
BROKEN = {
    "a short line": NAMES + "1,2,3\n" * 60 + "1,2\n" + "1,2,3\n" * 60,
    "a long line": NAMES + "1,2,3\n" * 60 + "1,2,3,4\n" + "1,2,3\n" * 60,
    "short and long lines": NAMES + "1,2\n1,2,,\n" * 60,
    "a short line among quotes": NAMES + '"1",2,3\n' * 60 + '"1",2\n' + '"1",2,3\n' * 60,
    "a byte that is no text": NAMES + "1,2,3\n" * 60 + "1,\xff,3\n",
    "a NUL": NAMES + "1,2,3\n" * 60 + "1,\0,3\n",
    "two columns of one name": "a,a\n" + "1,2\n" * 60,
    "nothing at all": "\n" * 300,
}


def _blocks(path: Path, bytes_a_block: int, monkeypatch: pytest.MonkeyPatch) -> list[pl.DataFrame]:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", bytes_a_block)
    return list(read_blocks(path, delimited(path, ",;\t")))


@pytest.mark.parametrize("bytes_a_block", [5, 64, 1 << 20])
@pytest.mark.parametrize("name", READABLE)
def test_the_same_table(
    name: str, bytes_a_block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(READABLE[name].encode())
    blocks = pl.concat(_blocks(path, bytes_a_block, monkeypatch))
    whole = read_delimited(path, ",;\t")
    assert blocks.fill_null("").equals(whole.fill_null(""))


@pytest.mark.parametrize("name", BROKEN)
def test_the_same_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(BROKEN[name].encode("latin-1"))
    with pytest.raises(Invalid) as whole:
        runner.read_table(path, "csv", tmp_path / "whole.arrow")
    monkeypatch.setattr(reading_in_pieces, "FROM_BYTES", 0)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 64)
    with pytest.raises(Invalid) as pieces:
        runner.read_table(path, "csv", tmp_path / "pieces.arrow")
    assert (pieces.value.code, pieces.value.detail) == (whole.value.code, whole.value.detail)


LATE = {
    "a word": "1,2.5,x\n" * 300 + "1,word,x\n" + "1,2.5,x\n" * 50,
    "a fraction": "1,2,x\n" * 300 + "1,2.5,x\n" * 50,
    "a word for what is missing": "1,2.5,x\n" * 300 + "NA,2.5,?\n" * 50,
    "white space": "1,2.5,x\n" * 300 + " 1, 2.5 , x \n" * 50,
    "nothing": "1,2.5,x\n" * 300 + ",,\n\n,,x\n1,,\n" * 50,
    "a quote": "1,2.5,x\n" * 300 + '1,2.5,"x\ny"\n' * 50,
    "another alphabet": "1,2.5,x\n" * 300 + "1,2.5,ж\n" * 50,
}


@pytest.mark.parametrize("name", LATE)
def test_the_same_typed_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text(NAMES + LATE[name])
    whole = runner.read_table(path, "csv", tmp_path / "whole.arrow")
    monkeypatch.setattr(reading_in_pieces, "FROM_BYTES", 0)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 256)
    assert runner.read_table(path, "csv", tmp_path / "pieces.arrow") == whole
    assert pl.read_ipc(tmp_path / "pieces.arrow").equals(pl.read_ipc(tmp_path / "whole.arrow"))


def test_a_quote_that_is_never_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "LONGEST_RECORD", 1024)
    path = tmp_path / "table.csv"
    path.write_text(NAMES + '1,"2,3\n' + "1,2,3\n" * 1000)
    with pytest.raises(Invalid, match="is a quote opened and never closed"):
        _blocks(path, 64, monkeypatch)


def test_a_late_word_makes_a_column_of_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "".join(f"{i % 40:03},{i}\n" for i in range(5000)) + "late,7\n")
    whole = runner.read_table(path, "csv", tmp_path / "whole.arrow")
    monkeypatch.setattr(reading_in_pieces, "FROM_BYTES", 0)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 256)
    assert runner.read_table(path, "csv", tmp_path / "pieces.arrow") == whole
    kept = pl.read_ipc(tmp_path / "pieces.arrow")
    assert kept.equals(pl.read_ipc(tmp_path / "whole.arrow"))
    assert kept["a"].to_list() == [*(f"{i % 40:03}" for i in range(5000)), "late"]


def test_more_rows_than_are_profiled_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"x": rng.normal(size=4000), "c": rng.choice(["u", "v"], 4000), "t": rng.random(4000).astype(str)}
    )
    path = tmp_path / "table.csv"
    frame.write_csv(path)
    whole = runner.read_table(path, "csv", tmp_path / "whole.arrow")
    monkeypatch.setattr(reading_in_pieces, "FROM_BYTES", 0)
    monkeypatch.setattr(runner, "EXACT_ROWS", 3999)
    report = runner.read_table(path, "csv", tmp_path / "pieces.arrow")
    assert [column["approximate"] for column in report["columns"]] == [True, False, True]
    assert [column["type"] for column in report["columns"]] == ["numeric", "categorical", "numeric"]
    for found, exact in zip(report["columns"], whole["columns"], strict=True):
        same = {"approximate", "mean", "std"}
        assert {k: v for k, v in found.items() if k not in same} == {
            k: v for k, v in exact.items() if k not in same
        }
    assert report["warnings"] == whole["warnings"]


def test_many_rows_of_another_format_and_of_another_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame({"x": np.arange(4000) / 7, "c": ["u", "v"] * 2000})
    frame.write_parquet(tmp_path / "table.parquet")
    monkeypatch.setattr(runner, "EXACT_ROWS", 3999)
    monkeypatch.setattr(runner, "PIECE_ROWS", 300)
    report = runner.read_table(tmp_path / "table.parquet", "parquet", tmp_path / "table.arrow")
    assert [column["approximate"] for column in report["columns"]] == [True, False]
    types = {"x": "numeric", "c": "categorical"}
    other = runner.retype_table(tmp_path / "table.arrow", types, {"x": "text"}, tmp_path / "other.arrow")
    assert [column["type"] for column in other["columns"]] == ["text", "categorical"]
    assert other["columns"][0]["distinct"] == 4000


@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_the_same_of_a_columnar_file(format_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "float": rng.normal(size=900),
            "float32": rng.normal(size=900).astype(np.float32),
            "^whole float$": rng.integers(0, 9, 900).astype(float),
            "late fraction": [*np.arange(899.0), 0.5],
            "odd": pl.Series([1.0, None, np.inf, np.nan] * 225),
            "nothing": pl.Series([None] * 900, dtype=pl.Float64),
            "small": rng.integers(0, 9, 900).astype(np.int8),
            "unsigned": rng.integers(0, 9, 900).astype(np.uint32),
            "text": rng.choice(["1", "2.5", " 3 ", "NA"], 900),
            "words": rng.choice(["x", " y", "?"], 900),
            "truth": rng.random(900) < 0.5,
            "day": pl.Series(rng.integers(0, 9000, 900)).cast(pl.Date),
            "moment": pl.Series(rng.integers(0, 10**12, 900)).cast(pl.Datetime("ms", "Europe/Berlin")),
        }
    )
    path = tmp_path / "table"
    if format_ == "parquet":
        frame.write_parquet(path, row_group_size=200)
    else:
        frame.write_ipc(path, record_batch_size=200)
    whole = runner.read_table(path, format_, tmp_path / "whole.arrow")
    monkeypatch.setattr(reading_in_pieces, "FROM_VALUES", 0)
    monkeypatch.setattr(reading_in_pieces, "BATCH_ROWS", 70)
    assert runner.read_table(path, format_, tmp_path / "pieces.arrow") == whole
    assert pl.read_ipc(tmp_path / "pieces.arrow").equals(pl.read_ipc(tmp_path / "whole.arrow"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Invalid, match="not a valid"):
        runner.read_table(path, format_, tmp_path / "pieces.arrow")


def test_a_late_time_is_named_by_its_row_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = pl.Series("t", [0] * 500 + [-(10**17)]).cast(pl.Datetime("us"))
    times.to_frame().write_parquet(tmp_path / "table")
    monkeypatch.setattr(reading_in_pieces, "FROM_VALUES", 0)
    monkeypatch.setattr(reading_in_pieces, "BATCH_ROWS", 70)
    with pytest.raises(Invalid, match="outside the years 1 to 9999 in row 501"):
        runner.read_table(tmp_path / "table", "parquet", tmp_path / "pieces.arrow")


def test_the_error_of_reading_is_not_lost_in_polars(tmp_path: Path) -> None:
    def pieces(_: object) -> object:
        yield pl.DataFrame({"a": ["1"]})
        raise Invalid("something about line 7")

    with pytest.raises(Invalid, match="line 7"):
        reading_in_pieces.write_typed(pieces, tmp_path / "table.arrow")  # type: ignore[arg-type]
