"""Windows over a time series: from one long table of steps to examples of what comes next."""

from collections.abc import Sequence

from numpy.lib.stride_tricks import sliding_window_view

from engine.arrays import Array


def series_windows(
    series: Array,
    *,
    length: int,
    horizon: int,
    stride: int = 1,
    targets: Sequence[int] | slice = slice(None),
) -> tuple[Array, Array]:
    """The windows of a `series` (steps, features), and what follows each of them.

    Returns x (windows, length, features), the window that begins every `stride` steps, and
    y (windows, horizon, targets), the `horizon` steps right after it in the columns `targets`. Windows
    are in the order of time; a last one without all of its horizon is left out.

    Both are read-only views of the series, whose numbers are shared by windows that overlap: 1,000 windows
    of 100 steps take no more memory than 1,099 steps. `x[rows]` copies the rows asked for, so gather
    batches from the views rather than copy the whole. Only columns named one by one are copied, once.

    Raises `ValueError` where the series is not a table or too short for a single window.
    """
    if series.ndim != 2:
        raise ValueError(f"a series has the shape (steps, features), not {series.shape}")
    if min(length, horizon, stride) < 1:
        raise ValueError("length, horizon and stride are 1 or more")
    if len(series) < length + horizon:
        raise ValueError(
            f"a window of {length} steps and {horizon} after it need {length + horizon} steps: "
            f"the series has {len(series)}"
        )
    pasts, futures = series[: len(series) - horizon], series[length:, targets]
    return _windows(pasts, length, stride), _windows(futures, horizon, stride)


def _windows(series: Array, length: int, stride: int) -> Array:
    """Each run of `length` steps that begins every `stride` steps: (windows, length, features)."""
    return sliding_window_view(series, length, axis=0)[::stride].swapaxes(1, 2)
