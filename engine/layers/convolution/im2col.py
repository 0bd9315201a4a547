"""Any convolution as a matrix product: the windows of an image become rows of a matrix (im2col).

For few filters a product of such a thin matrix is slow. There `block` neighbouring outputs share one
window, and W becomes a band of `block` shifted copies of itself: fewer numbers to copy, and a product
whose result is `block` times as wide, at the price of the zeros beside the band.
"""

import numpy as np

from engine.arrays import Array, size
from engine.layers.convolution.base import Chunk, Geometry
from engine.layers.convolution.windows import Windows
from engine.layers.images.pixels import pixels

CHUNK_VALUES = 131_072
"""Numbers in the matrix of a chunk: 512 KiB in float32: with fewer the calls cost, with more the memory."""
LEAST_ROWS = 128
"""Rows of the matrix of a chunk, at least: a product with fewer is slow."""


class Im2col(Windows):
    """y = X B, with X (windows, kh columns C + 1), a 1 at the end of each row, and B the band of W above b."""

    def __init__(self, geometry: Geometry, block: int) -> None:
        kh, kw, channels, filters = geometry.weight_shape
        stride, groups = geometry.along.stride, geometry.groups
        width = kh * (kw + (block - 1) * stride) * channels + 1
        windows = max(CHUNK_VALUES // (width * groups), LEAST_ROWS)
        super().__init__(geometry, windows // (geometry.along.outputs // block), block)
        self._matrix_shape = (groups, self.images * self.rows * self.across, width)
        self._band_shape = (groups, width, block * (filters // groups))
        self._parts = (kh, kw, channels, groups, filters // groups)  # of W
        self._copies = [
            slice(p * stride, p * stride + kw) for p in range(block)
        ]  # of W in the band: their columns

    def workspace_values(self) -> int:
        """Also the matrix of a chunk, the band and its gradient."""
        return super().workspace_values() + size(self._matrix_shape) + 2 * size(self._band_shape)

    def allocate(self, dtype: np.dtype[np.floating]) -> None:
        """Make room for the matrix of a chunk, the band and its gradient."""
        super().allocate(dtype)
        self._matrix = np.ones(self._matrix_shape, dtype)
        self._band, self._d_band = np.zeros((2, *self._band_shape), dtype)

    def forward(self, x: Array, weights: Array, bias: Array | None, y: Array) -> None:
        """Y = X B."""
        self._fill_band(weights, bias)
        for chunk, windows in self.windows(x):
            np.matmul(self._fill_matrix(windows), self._band, out=self._outputs(y, chunk))

    def weight_gradient(self, x: Array, dy: Array, d_weights: Array, d_bias: Array | None) -> None:
        """dB = X^T dY; W gets the sum of its copies in the band."""
        self._d_band.fill(0)
        for chunk, windows in self.windows(x):
            matrix = self._fill_matrix(windows)
            # B is not needed here, and _fill_band makes it anew.
            self._d_band += np.matmul(matrix.transpose(0, 2, 1), self._outputs(dy, chunk), out=self._band)
        d_weights.fill(0)
        by_group = d_weights.reshape(self._parts)
        for p in range(self.block):
            by_group += self._copy_of_weights(self._d_band, p)
        if d_bias is not None:
            np.add.reduce(self._biases(self._d_band), axis=1, out=d_bias.reshape(self._parts[3:]))

    def input_gradient(self, dy: Array, weights: Array, dx: Array) -> None:
        """dX = dY B^T, and each number of X goes back to where it was copied from.

        So many columns at a time that no two of them are the same pixel.
        """
        self._fill_band(weights, None)
        band = self._band[:, :-1].transpose(0, 2, 1)
        along = self.geometry.along
        step = self.block * along.stride if along.dilation == 1 else 1
        for chunk, windows in self.d_windows(dx):
            outputs = self._outputs(dy, chunk)
            d_matrix = self._matrix[:, : outputs.shape[1], :-1]
            np.matmul(outputs, band, out=d_matrix)
            d_windows = self._by_group(windows)
            d_places = d_matrix.reshape(d_windows.shape, copy=False)
            for i in range(self.geometry.down.kernel):
                for first in range(0, self.columns, step):
                    columns = slice(first, first + step)
                    d_windows[:, :, :, :, i, columns] += d_places[:, :, :, :, i, columns]

    def _fill_matrix(self, windows: Array) -> Array:
        """X (groups, windows, kh columns C + 1): one copy; the ones stay."""
        matrix = self._matrix[:, : size(windows.shape[:3])]
        source = self._by_group(windows)
        shape = source.shape
        if self.geometry.groups == self.geometry.along.dilation == 1:  # a window's rows are contiguous
            shape = (*shape[:5], -1)
        places = matrix[..., :-1].reshape(shape, copy=False)
        np.copyto(pixels(places), pixels(source.reshape(shape, copy=False)))
        return matrix

    def _by_group(self, windows: Array) -> Array:
        """Windows (images, OH, across, kh, columns, C) as (groups, images, ..., C / groups)."""
        shape = (*windows.shape[:-1], self.geometry.groups, self._parts[2])
        return windows.reshape(shape, copy=False).transpose(5, 0, 1, 2, 3, 4, 6)

    def _outputs(self, y: Array, chunk: Chunk) -> Array:
        """A chunk of y as (groups, windows, block F / groups): neighbours side by side."""
        groups, _, width = self._band_shape
        return y[chunk.images, chunk.rows].reshape(-1, groups, width, copy=False).transpose(1, 0, 2)

    def _fill_band(self, weights: Array, bias: Array | None) -> None:
        """B: a copy of W for each of the `block` outputs, each `stride` columns below the one before; b below."""
        by_group = weights.reshape(self._parts)
        self._band.fill(0)
        for p in range(self.block):
            np.copyto(self._copy_of_weights(self._band, p), by_group)
        if bias is not None:
            np.copyto(self._biases(self._band), bias.reshape(self._parts[3], 1, self._parts[4]))

    def _copy_of_weights(self, band: Array, p: int) -> Array:
        """The copy of W for output p of a block, as (kh, kw, C / groups, groups, F / groups)."""
        kh, _, channels, groups, filters = self._parts
        whole = band[:, :-1].reshape(groups, kh, self.columns, channels, self.block, filters, copy=False)
        return whole[:, :, self._copies[p], :, p].transpose(1, 2, 3, 0, 4)

    def _biases(self, band: Array) -> Array:
        """The last row of the band, as (groups, block, F / groups)."""
        return band[:, -1].reshape(self._parts[3], self.block, self._parts[4], copy=False)
