"""A bound on how long the weights into a unit may be."""

from typing import NamedTuple

import numpy as np

from engine.arrays import Array
from engine.network import Network
from engine.optimizers import BLOCK


class _Weights(NamedTuple):
    chunks: tuple[Array, ...]  # some rows each of W as (inputs, units)
    squares: Array  # scratch, as large as a chunk
    sums: Array  # scratch (units,)
    lengths: Array  # scratch (units,)


class MaxNorm:
    """w_j *= c / ||w_j|| where ||w_j|| > c, for each unit j with its incoming weights w_j.

    Incoming weights are all axes of a decayed parameter but the last. Srivastava et al. 2014, Dropout: a
    simple way to prevent neural networks from overfitting, section 5.1.
    """

    def __init__(self, network: Network, most: float) -> None:
        self._most = most
        self._ones = np.ones(BLOCK, network.dtype)
        self._weights = [
            self._chunked(network.theta[segment.slice].reshape(-1, segment.shape[-1]))
            for segment in network.segments
            if segment.decay
        ]

    def _chunked(self, w: Array) -> _Weights:
        inputs, units = w.shape
        rows = max(1, min(inputs, BLOCK // units))
        chunks = tuple(w[start : start + rows] for start in range(0, inputs, rows))
        return _Weights(
            chunks, np.empty((rows, units), w.dtype), np.empty(units, w.dtype), np.empty(units, w.dtype)
        )

    def apply(self) -> None:
        """Scale down what is too long."""
        for chunks, squares, sums, lengths in self._weights:
            lengths.fill(0)
            for w in chunks:
                np.square(w, out=squares[: len(w)])
                np.dot(self._ones[: len(w)], squares[: len(w)], out=sums)
                np.add(lengths, sums, out=lengths)
            np.sqrt(lengths, out=lengths)
            if lengths.max() > self._most:
                np.maximum(lengths, self._most, out=lengths)
                factors = np.divide(self._most, lengths, out=lengths)  # 1 where the length will do
                for w in chunks:
                    np.multiply(w, factors, out=w)
