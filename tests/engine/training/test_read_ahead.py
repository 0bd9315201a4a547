import mmap

import numpy as np
import pytest

from engine.training import Examples
from engine.training.read_ahead import ReadAhead

ROWS, WIDTH = 5000, 3


class Recorder:
    """In the place of a map: what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, int]] = []

    def madvise(self, option: int, start: int, length: int) -> None:
        self.told.append((option, start, length))


@pytest.mark.parametrize("header", [0, 40])
def test_the_rows_of_a_map_are_announced_from_a_pages_start(tmp_path, header: int):
    path = tmp_path / "x"
    path.write_bytes(bytes(header + 4 * ROWS * WIDTH))
    x = np.memmap(path, np.float32, "r", offset=header, shape=(ROWS, WIDTH))
    ahead = ReadAhead(Examples(x, x).x)
    ahead._map = recorder = Recorder()
    for rows in (slice(0, 10), slice(3000, 4000), slice(ROWS - 1, ROWS)):
        ahead.announce(rows)
        option, start, length = recorder.told[-1]
        assert option == mmap.MADV_WILLNEED
        assert start % mmap.PAGESIZE == 0
        first, last = header + 12 * rows.start, header + 12 * rows.stop
        assert first - mmap.PAGESIZE < start <= first
        assert start + length == last


def test_the_system_takes_the_advice(tmp_path):
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(ROWS, WIDTH))
    for rows in (slice(0, ROWS), slice(ROWS - 1, ROWS)):
        ReadAhead(np.asarray(x)).announce(rows)


@pytest.mark.parametrize(
    "array", [np.ones((4, 2)), np.ones((8, 2))[2:6], np.frombuffer(bytes(32)).reshape(4, 1)]
)
def test_an_array_in_memory_is_left_alone(array: np.ndarray):
    ahead = ReadAhead(array)
    assert ahead._map is None
    ahead.announce(slice(0, 2))
