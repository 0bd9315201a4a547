"""A convolution in which every filter sees one channel: products of matrices would be one number wide.

Filter f = c m + k is the k-th of the m filters of channel c.
"""

from itertools import product

import numpy as np

from engine.arrays import Array, size
from engine.layers.convolution.base import Geometry
from engine.layers.convolution.windows import Windows

CHUNK_VALUES = 32_768
"""Outputs of a chunk, of one filter a channel: 128 KiB in float32, so that a chunk stays in the cache."""


class Depthwise(Windows):
    """y_k = b_k + sum_(i, j) W_(i, j, k) x_(i, j): all channels of a place of the kernel at once."""

    def __init__(self, geometry: Geometry) -> None:
        width = geometry.along.outputs * geometry.channels
        super().__init__(geometry, CHUNK_VALUES // width)
        self._each = geometry.filters // geometry.channels
        self._shapes = (
            (self.images, self.rows, geometry.along.outputs, geometry.channels),  # a product
            (*geometry.weight_shape[:2], self._each, geometry.along.outputs, geometry.channels),  # W
            (self.images * self.rows * geometry.along.outputs,),  # ones
            (geometry.channels,),  # the gradient of a place of W
        )

    def workspace_values(self) -> int:
        """Also a product, W for each output of a row, and what sums."""
        return super().workspace_values() + sum(map(size, self._shapes))

    def allocate(self, dtype: np.dtype[np.floating]) -> None:
        """Make room for a product, W for each output of a row, and what sums."""
        super().allocate(dtype)
        self._product, self._row_of_w, self._ones, self._d_place = (
            np.ones(shape, dtype) for shape in self._shapes
        )
        self._places = list(product(*map(range, self._row_of_w.shape[:3])))

    def forward(self, x: Array, weights: Array, bias: Array | None, y: Array) -> None:
        """y_k = b_k + sum_(i, j) W_(i, j, k) x_(i, j)."""
        self._fill_rows(weights)
        y[...] = 0 if bias is None else bias
        by_filter = self._by_filter(y)
        for chunk, windows in self.windows(x):
            term = self._product[: chunk.count, : chunk.height]
            for i, j, k in self._places:
                np.multiply(windows[:, :, :, i, j], self._row_of_w[i, j, k], out=term)
                by_filter[chunk.images, chunk.rows, ..., k] += term

    def weight_gradient(self, x: Array, dy: Array, d_weights: Array, d_bias: Array | None) -> None:
        """dC/dW_(i, j, k) = sum x_(i, j) dy_k; dC/db_k = sum dy_k."""
        d_weights.fill(0)
        d_places = d_weights.reshape(*d_weights.shape[:2], -1, self._each)
        by_filter = self._by_filter(dy)
        for chunk, windows in self.windows(x):
            for i, j, k in self._places:
                term = self._product[: chunk.count, : chunk.height]
                np.multiply(windows[:, :, :, i, j], by_filter[chunk.images, chunk.rows, ..., k], out=term)
                d_places[i, j, :, k] += self._sum(term)
        if d_bias is not None:
            d_bias.fill(0)
            for chunk in self.chunks(len(dy)):
                for k in range(self._each):
                    term = self._product[: chunk.count, : chunk.height]
                    np.copyto(term, by_filter[chunk.images, chunk.rows, ..., k])
                    d_bias.reshape(-1, self._each)[:, k] += self._sum(term)

    def input_gradient(self, dy: Array, weights: Array, dx: Array) -> None:
        """dC/dx_(i, j) = sum_k W_(i, j, k) dy_k."""
        self._fill_rows(weights)
        by_filter = self._by_filter(dy)
        for chunk, windows in self.d_windows(dx):
            term = self._product[: chunk.count, : chunk.height]
            for i, j, k in self._places:
                np.multiply(by_filter[chunk.images, chunk.rows, ..., k], self._row_of_w[i, j, k], out=term)
                windows[:, :, :, i, j] += term

    def _fill_rows(self, weights: Array) -> None:
        """W (kh, kw, m, OW, C): repeated along a row, which makes one long product of a short one for each output."""
        by_filter = weights.reshape(*weights.shape[:2], -1, self._each)
        np.copyto(self._row_of_w, by_filter.transpose(0, 1, 3, 2)[:, :, :, np.newaxis])

    def _by_filter(self, y: Array) -> Array:
        """(images, OH, OW, C, m)."""
        return y.reshape(*y.shape[:3], -1, self._each, copy=False)

    def _sum(self, term: Array) -> Array:
        """Over all but the channels; valid until the next."""
        rows = term.reshape(-1, term.shape[-1], copy=False)
        return np.dot(self._ones[: len(rows)], rows, out=self._d_place)
