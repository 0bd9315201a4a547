"""Windows of a time series against a loop, and that they copy nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.windows import series_windows


def series(steps: int, features: int = 3) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((steps, features))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    steps=st.integers(2, 30),
    length=st.integers(1, 8),
    horizon=st.integers(1, 5),
    stride=st.integers(1, 6),
    targets=st.sampled_from([slice(None), slice(1, 2), [2, 0], [1]]),
)
def test_against_a_loop(steps, length, horizon, stride, targets) -> None:
    table = series(steps)
    starts = range(0, steps - length - horizon + 1, stride)
    if not starts:
        with pytest.raises(ValueError, match="the series has"):
            series_windows(table, length=length, horizon=horizon, stride=stride, targets=targets)
        return
    x, y = series_windows(table, length=length, horizon=horizon, stride=stride, targets=targets)
    np.testing.assert_array_equal(x, [table[i : i + length] for i in starts])
    np.testing.assert_array_equal(y, [table[i + length : i + length + horizon][:, targets] for i in starts])


def test_windows_share_the_memory_of_the_series() -> None:
    table = series(1000)
    x, y = series_windows(table, length=100, horizon=10, targets=slice(0, 1))
    assert np.shares_memory(x, table)
    assert np.shares_memory(y, table)
    assert not x.flags.writeable
    assert x.shape == (891, 100, 3)
    assert y.shape == (891, 10, 1)


def test_rows_asked_for_are_contiguous_copies() -> None:
    table = series(50)
    x, _ = series_windows(table, length=10, horizon=1)
    batch = np.ascontiguousarray(x[[3, 1]])
    np.testing.assert_array_equal(batch, [table[3:13], table[1:11]])


@pytest.mark.parametrize("field", ["length", "horizon", "stride"])
def test_numbers_are_positive(field: str) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        series_windows(series(20), **({"length": 3, "horizon": 1} | {field: 0}))


def test_a_series_is_a_table() -> None:
    with pytest.raises(ValueError, match="shape"):
        series_windows(np.zeros(20), length=3, horizon=1)
