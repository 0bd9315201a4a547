"""Rows between rows: examples mixed in pairs."""

import numpy as np

from engine.arrays import Array
from engine.training.examples import Batch, Examples


class Mixup:
    """x_i <- lambda x_i + (1 - lambda) x_j; y and the weights alike, with lambda ~ Beta(alpha, alpha).

    One lambda a batch, and j from a permutation of the batch. Zhang et al. 2018, mixup: beyond empirical
    risk minimization, section 2.
    """

    def __init__(self, alpha: float, examples: Examples, batch: int) -> None:
        """Allocate for batches of at most `batch` rows like those of `examples`."""
        self._alpha = alpha
        self._mixed = [np.empty((batch, *array.shape[1:]), array.dtype) for array in examples.arrays]
        self._rows = np.arange(batch)
        self._order = np.empty_like(self._rows)

    def mix(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The mixed batch, valid until the next call."""
        rows = len(batch.x)
        order = self._order[:rows]
        np.copyto(order, self._rows[:rows])
        rng.shuffle(order)
        other = 1 - rng.beta(self._alpha, self._alpha)
        sources = [array for array in batch if array is not None]
        x, y, *weight = (
            _mix(source, order, other, mixed[:rows])
            for source, mixed in zip(sources, self._mixed, strict=True)
        )
        return Batch(x, y, weight[0] if weight else None)


def _mix(values: Array, order: np.ndarray[tuple[int], np.dtype[np.intp]], other: float, out: Array) -> Array:
    """v + (1 - lambda) (v[order] - v)."""
    np.take(values, order, axis=0, out=out, mode="clip")
    out -= values
    out *= other
    out += values
    return out
