"""Kept tables are read whole, whatever takes their place meanwhile."""

import threading

import polars as pl
import pytest

from app.datasets.tables import read_kept

FRAME = pl.DataFrame({"word": ["a", "b", "c"], "number": [1.5, None, 3.0]})


@pytest.fixture
def path(tmp_path):
    FRAME.write_ipc(tmp_path / "table.arrow")
    return tmp_path / "table.arrow"


def test_rows(path):
    assert read_kept(path).equals(FRAME)
    assert read_kept(path, 1, 1).equals(FRAME[1:2])
    assert read_kept(path, 3, 9).equals(FRAME.clear())


def test_the_rows_outlive_their_file(path):
    frame = read_kept(path)
    path.unlink()
    assert frame.equals(FRAME)
    with pytest.raises(FileNotFoundError):
        read_kept(path)


def test_a_table_that_is_replaced_again_and_again(path):
    retyped = FRAME.with_columns(pl.col("number").cast(pl.String))
    done = threading.Event()

    def replace():
        while not done.is_set():
            for frame in (retyped, FRAME):
                frame.write_ipc(path.with_suffix(".new"))
                path.with_suffix(".new").rename(path)

    changes = threading.Thread(target=replace)
    changes.start()
    try:
        read = [read_kept(path) for _ in range(300)]
    finally:
        done.set()
        changes.join()
    assert all(frame.equals(FRAME) or frame.equals(retyped) for frame in read)
