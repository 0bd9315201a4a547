"""The order of the rows: whole, and by blocks from data that need not fit into memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_runs import Run, regression, spec

from engine.layers.dense import DenseSpec
from engine.optimizers import SgdSpec
from engine.randomness import Randomness
from engine.training import Examples, shuffling
from engine.training.examples import Batch
from engine.training.shuffling import Shuffle, buffer_rows


def numbered(rows: int, *, weight: bool = True) -> Examples:
    """Row i holds i everywhere."""
    number = np.arange(1.0, rows + 1)
    return Examples(
        np.repeat(number, 3).reshape(rows, 3), number[:, None].copy(), number.copy() if weight else None
    )


def order(shuffle: Shuffle, epoch: int, seed: int = 0) -> list[float]:
    rows = []
    for batch in shuffle.batches(Randomness(seed).shuffle(epoch)):
        assert (batch.x == batch.y).all()
        assert batch.weight is None or (batch.weight == batch.y[:, 0]).all()
        rows += batch.y[:, 0].tolist()
    return rows


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 4 rows of `numbered`, and windows of up to 12."""
    row_bytes = 8 * 5
    monkeypatch.setattr(shuffling, "BLOCK_BYTES", 4 * row_bytes)
    monkeypatch.setattr(shuffling, "WINDOW_BYTES", 12 * (row_bytes + 8))


@pytest.mark.parametrize("choice", ["full", "block", "auto"])
@pytest.mark.parametrize("weight", [False, True])
def test_every_row_comes_once_in_an_order_of_seed_and_epoch(choice, weight: bool, small_blocks):
    shuffle, again = (Shuffle(choice, numbered(101, weight=weight), 6) for _ in range(2))
    first, second = order(shuffle, 1), order(shuffle, 2)
    assert sorted(first) == sorted(second) == list(range(1, 102))
    assert first != second
    assert order(again, 2) == second
    assert order(again, 2, seed=1) != second
    assert first != sorted(first)


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("skip", [0, 1, 16, 17])
def test_large_batches_are_gathered_one_by_one_in_the_same_order(monkeypatch, weight: bool, skip: int):
    examples, rng = numbered(101, weight=weight), Randomness(0)
    expected = [
        tuple(map(np.copy, present(batch))) for batch in Shuffle("full", examples, 6).batches(rng.shuffle(1))
    ]
    monkeypatch.setattr(shuffling, "GATHERED_BYTES", 6 * 8 * 4)

    assert buffer_rows("full", 101, 8 * 5, 6) == 6
    batches = Shuffle("full", examples, 6).batches(rng.shuffle(1), skip)

    for batch, wanted in zip(batches, expected[skip:], strict=True):
        for values, others in zip(present(batch), wanted, strict=True):
            np.testing.assert_array_equal(values, others)


def present(batch: Batch) -> list[np.ndarray]:
    return [values for values in batch if values is not None]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 20), st.integers(1, 60))
def test_batches_are_full_whatever_the_sizes(rows: int, batch: int, block: int, window: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffling, "BLOCK_BYTES", block * 40)
        patch.setattr(shuffling, "WINDOW_BYTES", window * 48)
        batch = min(batch, rows)
        shuffle = Shuffle("block", numbered(rows), batch)
        sizes = [len(each.x) for each in shuffle.batches(Randomness(0).shuffle(1))]
        assert sizes == [batch] * (rows // batch) + ([rows % batch] if rows % batch else [])
        assert sorted(order(shuffle, 1)) == list(range(1, rows + 1))


def test_a_window_mixes_whole_blocks_of_other_places(small_blocks):
    """Of 25 blocks of 4 rows, windows of 12 rows hold three each."""
    rows = order(Shuffle("block", numbered(100), 6), 1)
    windows = [rows[start : start + 12] for start in range(0, 96, 12)]
    for window in windows:
        blocks = {int(row - 1) // 4 for row in window}
        assert len(blocks) == 3
    starts = [min(int(row - 1) // 4 for row in window) for window in windows]
    assert starts != sorted(starts)
    assert any(window != sorted(window) for window in windows)


def test_no_place_is_likelier_than_another(small_blocks):
    """The mean place of each row over many epochs is the middle."""
    shuffle = Shuffle("block", numbered(48), 6)
    epochs = 600
    places = np.zeros(48)
    for epoch in range(epochs):
        places[np.array(order(shuffle, epoch), int) - 1] += np.arange(48)
    # A place is uniform on 0..47, with deviation 13.9; over 600 epochs 0.57. Five times that.
    assert np.abs(places / epochs - 23.5).max() < 2.8


def test_auto_goes_by_the_size_of_the_data():
    row = 400
    few, many = 2**20, 2 * 2**20  # 400 and 800 MiB
    assert buffer_rows("auto", few, row, 32) == few
    assert buffer_rows("full", many, row, 32) == many
    assert (
        buffer_rows("full", many, row, 256) == buffer_rows("auto", few, row, 256) == 256
    )  # a batch at a time
    window = buffer_rows("auto", many, row, 32)
    assert window == buffer_rows("block", many, row, 32)
    assert window % 32 == 0
    assert 0.99 < window * (row + 8) / shuffling.WINDOW_BYTES <= 1
    assert buffer_rows("block", 100, row, 32) == 100
    assert buffer_rows("block", many, 2**30, 32) == 32  # a batch at least


@pytest.mark.slow
def test_a_memory_map_of_200_mb_trains_in_the_memory_of_a_window(tmp_path):
    rows, features = 500_000, 100
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(rows, features))
    y = np.memmap(tmp_path / "y", np.float32, "w+", shape=(rows, 1))
    rng = np.random.default_rng(0)
    for start in range(0, rows, 50_000):
        part = x[start : start + 50_000]
        part[:] = rng.standard_normal(part.shape, np.float32)
        y[start : start + 50_000, 0] = 2 * part[:, 0] - part[:, 1]
    examples = Examples(x, y)
    recipe = spec(epochs=1, batch_size=1000, shuffle="block", optimizer=SgdSpec(learning_rate=0.05))
    run = Run(recipe, examples, DenseSpec())

    tracemalloc.start()
    try:
        [point] = run.points(examples)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert x.nbytes == 200_000_000
    assert peak < 1.1 * shuffling.WINDOW_BYTES
    assert point.step == 500
    assert run.network.theta[:3] == pytest.approx([2, -1, 0], abs=0.01)


def test_by_blocks_in_memory_or_in_a_map_the_bits_are_the_same(tmp_path, small_blocks):
    rows = regression(100, dtype=np.float64)
    maps = []
    for name, array in (("x", rows.x), ("y", rows.y)):
        maps.append(np.memmap(tmp_path / name, array.dtype, "w+", shape=array.shape))
        maps[-1][:] = array
    thetas = []
    for examples in (rows, Examples(*maps)):
        run = Run(spec(epochs=3, batch_size=6, shuffle="block"), examples, DenseSpec())
        run.points(examples)
        thetas.append(run.network.theta)
    assert np.array_equal(*thetas)


@pytest.mark.parametrize("choice", ["full", "block"])
def test_an_epoch_allocates_its_order_alone(choice):
    """Memory is taken when the shuffle is made."""
    rows = 40_000
    examples = Examples(np.ones((rows, 500), np.float32), np.ones((rows, 1), np.float32))
    shuffle = Shuffle(choice, examples, 100)
    tracemalloc.start()
    try:
        for _ in shuffle.batches(Randomness(0).shuffle(1)):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 8 * rows
