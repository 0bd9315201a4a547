import numpy as np
import pytest

from engine.training import Examples


def test_examples_must_fit_together():
    x, y = np.ones((4, 2)), np.ones((4, 1))
    for wrong in (
        (x, y[:3]),
        (x[:0], y[:0]),
        (x, y, np.ones(3)),
        (x, y.astype(np.float32)),
        (x[:, ::-1], y),
        (x, y, np.zeros(4)),
        (x, y, np.array([1, 1, 1, -1.0])),
        (x, y, np.array([1, 1, 1, np.nan])),
    ):
        with pytest.raises(ValueError, match="weight"):
            Examples(*wrong)


def test_batches_hold_every_row_once_in_order():
    examples = Examples(np.arange(14.0).reshape(7, 2), np.arange(7.0)[:, None], np.ones(7))
    batches = list(examples.batches(3))
    assert [len(batch.x) for batch in batches] == [3, 3, 1]
    assert [batch.total_weight for batch in batches] == [3, 3, 1]
    assert np.array_equal(np.concatenate([batch.y for batch in batches]), examples.y)
    assert all(np.shares_memory(batch.x, examples.x) for batch in batches)


def test_a_memory_map_is_read_where_it_is(tmp_path):
    """Slices of a plain array cost less than those of a map."""
    maps = [np.memmap(tmp_path / name, np.float32, "w+", shape=(5, 2)) for name in ("x", "y")]
    examples = Examples(*maps)
    assert type(examples.x) is type(examples.y) is np.ndarray
    assert np.shares_memory(examples.x, maps[0])
