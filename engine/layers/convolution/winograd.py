"""A 3 x 3 convolution of stride 1 by Winograd's minimal filtering: 16 products for 4 outputs in place of 36.

Lavin & Gray 2016, Fast algorithms for convolutional neural networks, eq. 8, F(2 x 2, 3 x 3):

    Y = A^T [U * (B^T d B)] A, summed over the channels, with U = G w G^T,

of every tile d of 4 x 4 pixels, one every 2 pixels; see `tiles`. The sum over the channels is a product
of matrices at each of the 16 places of a tile, of all tiles at once. The gradients are the exact transposes.
"""

from collections.abc import Iterator

import numpy as np

from engine.arrays import Array, size
from engine.layers.convolution.base import Chunked, Geometry
from engine.layers.convolution.tiles import Tiles, room

G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
CHUNK_VALUES = 32_768
"""Numbers at one place of the tiles of a chunk: with fewer the calls cost, with more the memory."""
LEAST_TILES = 256
"""Tiles of a chunk, at least: a product with fewer rows is slow."""


class Winograd(Chunked):
    """F(2 x 2, 3 x 3), chunk by chunk of tiles, and of a chunk one row of its tiles after the other."""

    def __init__(self, geometry: Geometry) -> None:
        height, across = (-(-axis.outputs // 2) for axis in (geometry.down, geometry.along))
        channels, filters = geometry.channels, geometry.filters
        least = max(CHUNK_VALUES // max(channels, filters), LEAST_TILES)
        super().__init__(geometry, height, least // across)
        self._room = room(geometry, self.rows, self.images)
        self._shapes = (
            (4, 4, channels, filters),  # U
            (4, 4, channels, filters),  # its gradient
            (self.images * self.rows * across,),  # ones
            (filters,),  # the gradient of b from one chunk
        )

    def workspace_values(self) -> int:
        """The tiles of a chunk at each step, and the transformed weights."""
        return sum(map(size, (*self._room, *self._shapes))) + G.size

    def allocate(self, dtype: np.dtype[np.floating]) -> None:
        """Make room for the tiles of a chunk at each step, and for the transformed weights."""
        self._arrays = [np.empty(size(shape), dtype) for shape in self._room]
        self._u, self._du, self._ones, self._db = (np.ones(shape, dtype) for shape in self._shapes)
        self._g = G.astype(dtype)
        self._tiles: dict[tuple[int, int, int], Tiles] = {}

    def forward(self, x: Array, weights: Array, bias: Array | None, y: Array) -> None:
        """Y = A^T [U * (B^T d B)] A + b; b comes in at the place that A adds to all four outputs."""
        self._transform_weights(weights)
        for images, tiles in self._chunks_of_tiles(len(x)):
            tiles.take_pixels(x[images])
            (z0, z1), m = tiles.sums, tiles.products
            for row, product in enumerate((z0, z1, m, m)):
                np.matmul(tiles.fill_row(row), self._u[row], out=product)
                if row == 1:
                    if bias is not None:
                        z1[1] += bias
                    z0 += z1
                elif row == 2:
                    z0 += m
                    z1 -= m
            z1 += m
            tiles.give_outputs(y[images])

    def weight_gradient(self, x: Array, dy: Array, d_weights: Array, d_bias: Array | None) -> None:
        """dU = sum over the tiles of (B^T d B)^T (A dY A^T); dw = G^T dU G; db = sum of dY."""
        self._du.fill(0)
        du_chunk = self._u[3]  # U is not needed here, and _transform_weights makes it anew
        if d_bias is not None:
            d_bias.fill(0)
        for images, tiles in self._chunks_of_tiles(len(x)):
            tiles.take_pixels(x[images])
            tiles.take_d_outputs(dy[images])
            for row in range(4):
                products = tiles.d_products(row)
                np.matmul(tiles.fill_row(row).transpose(0, 2, 1), products, out=du_chunk)
                self._du[row] += du_chunk
                if row == 1 and d_bias is not None:  # its place 1 is the sum of the four outputs
                    ones = self._ones[: products.shape[1]]
                    d_bias += np.dot(ones, products[1], out=self._db)
        along = self._u.reshape(-1)[: 12 * self._u[0, 0].size]
        np.matmul(self._g.T, self._du.reshape(4, 4, -1), out=along.reshape(4, 3, -1))
        np.matmul(self._g.T, along.reshape(4, -1), out=d_weights.reshape(3, -1))

    def input_gradient(self, dy: Array, weights: Array, dx: Array) -> None:
        """dd = B [U^T * (A dY A^T)] B^T, added up where tiles overlap."""
        self._transform_weights(weights)
        for images, tiles in self._chunks_of_tiles(len(dy)):
            tiles.take_d_outputs(dy[images])
            for row in (1, 0, 2, 3):
                np.matmul(tiles.d_products(row), self._u[row].transpose(0, 2, 1), out=tiles.d_rows[row])
                tiles.add_row(row)
            tiles.give_d_pixels(dx[images])

    def _transform_weights(self, weights: Array) -> None:
        """U = G w G^T."""
        down = self._du.reshape(-1)[: 12 * self._u[0, 0].size]  # free here, as U is in `weight_gradient`
        np.matmul(self._g, weights.reshape(3, -1), out=down.reshape(4, -1))
        np.matmul(self._g, down.reshape(4, 3, -1), out=self._u.reshape(4, 4, -1))

    def _chunks_of_tiles(self, images: int) -> Iterator[tuple[slice, Tiles]]:
        """Chunk by chunk its images, and its tiles: those are kept, since to cut arrays takes time."""
        for chunk in self.chunks(images):
            key = (chunk.count, chunk.rows.start, chunk.rows.stop)
            if key not in self._tiles:
                self._tiles[key] = Tiles(self.geometry, chunk, self._arrays)
            yield chunk.images, self._tiles[key]
