import tracemalloc

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


def test_take_writes_rows_in_order_into_a_copy():
    examples = Examples(np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None])
    copy = examples.copy()
    examples.take(np.array([2, 0, 1]), out=copy)
    assert copy.y[:, 0].tolist() == [2, 0, 1]
    assert copy.x.tolist() == [[4, 5], [0, 1], [2, 3]]


def test_take_allocates_nothing():
    examples = Examples(np.ones((1000, 50)), np.ones((1000, 1)))
    copy, order = examples.copy(), np.arange(1000)
    tracemalloc.start()
    try:
        examples.take(order, out=copy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096
