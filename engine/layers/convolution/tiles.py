r"""The transforms of Winograd's minimal filtering F(2 x 2, 3 x 3), of many tiles at once, and their transposes.

Lavin & Gray 2016, Fast algorithms for convolutional neural networks, section 4.1. A tile d is 4 x 4 pixels, and
there is one every 2 pixels. Down and along it, with the last place of B^T d and of m of the other sign,

    B^T d = (d0 - d2, d1 + d2, d2 - d1, d3 - d1),    A^T m = (m0 + m1 + m2, m1 - m2 + m3).

The pixels are first told apart by the parity of row and column. Then the pixels at one place of all tiles lie
side by side, and each step of a transform adds or subtracts two long arrays. Their axes are (down, images, along,
depth): what belongs to the next row of tiles is one block further on.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.convolution.base import Chunk, Geometry
from engine.layers.images.pixels import pixels
from engine.layers.images.sliding import Axis

B = ((np.subtract, 0, 2), (np.add, 1, 2), (np.subtract, 2, 1), (np.subtract, 3, 1))
"""B^T d: for each of its places an operation on two places of d."""


def room(geometry: Geometry, down: int, images: int) -> tuple[Shape, ...]:
    """The shapes of the arrays that `Tiles` needs for `down` rows of tiles of `images` images."""
    across, channels, filters = -(-geometry.along.outputs // 2), geometry.channels, geometry.filters
    return (
        (2, 2, down + 1, images, across + 1, channels),  # pixels, by parity of column and of row
        (2, 4, down + 1, images, across, channels),  # d B: parity of row, place along the tile
        (4, down, images, across, channels),  # a row of B^T d B: place along the tile
        (4, down, images, across, filters),  # a row of the products m: place along the tile
        (2, 4, down, images, across, filters),  # A^T m: row of the output, place along the tile
        (2, 4, images, across, channels),  # what is left for the rows of tiles below
    )


class Tiles:
    """The tiles of a chunk, and what becomes of them step by step, in arrays that all chunks share.

    A row of the transformed tiles is seen as 4 matrices (tiles, depth), one for each place along the tile.
    """

    def __init__(self, geometry: Geometry, chunk: Chunk, arrays: Sequence[Array]) -> None:
        shapes = room(geometry, chunk.height, chunk.count)
        self._planes, self._half, self._tiles, self._products, self._sums, self._left = (
            array[: size(shape)].reshape(shape) for array, shape in zip(arrays, shapes, strict=True)
        )
        self._top = chunk.rows.start
        self._in_image = list(self._cut_planes(geometry))
        (e, o), (even, odd) = self._planes, self._half
        self._along = (e[..., :-1, :], o[..., :-1, :], e[..., 1:, :], o[..., 1:, :])  # d0 to d3 of all tiles
        self._down = (even[:, :-1], odd[:, :-1], even[:, 1:], odd[:, 1:])
        self._scratch = self._tiles.reshape(-1)[: even.size // 2].reshape(2, *even.shape[1:])
        self.row = _matrices(self._tiles)
        self.products = _matrices(self._products)
        self.sums = tuple(map(_matrices, self._sums))
        self.d_rows = tuple(_matrices(self._down[1] if row == 1 else self._tiles) for row in range(4))
        """Where the gradients of the four rows belong before `add_row` adds them."""

    def take_pixels(self, x: Array) -> None:
        """D B, of the pixels x (images, H, W, C) and the zeros around them."""
        self._planes.fill(0)
        images = pixels(x)
        for plane, rows, columns in self._in_image:
            np.copyto(plane, images[:, rows, columns].swapaxes(0, 1))
        for place, (operation, a, b) in enumerate(B):
            operation(self._along[a], self._along[b], out=self._half[:, place])

    def fill_row(self, i: int) -> Array:
        """Row i of B^T (D B)."""
        operation, a, b = B[i]
        operation(self._down[a], self._down[b], out=self._tiles)
        return self.row

    def give_outputs(self, y: Array) -> None:
        """y (images, OH, OW, F) = (A^T m) A, with A^T m in `sums`."""
        for p, z in enumerate(self._sums):
            even, odd = self._products[:2]
            np.add(z[0], z[1], out=even)
            np.subtract(z[1], z[2], out=odd)
            for q, (part, rest) in enumerate(((even, z[2]), (odd, z[3]))):
                out = self._quarter(y, p, q)
                np.add(_like(part, out), _like(rest, out), out=out)

    def take_d_outputs(self, dy: Array) -> None:
        """dY A^T, into `sums`."""
        for p, q in product((0, 1), repeat=2):
            outputs, z = self._quarter(dy, p, q), self._sums[p, 3 * q]
            np.copyto(pixels(_like(z, outputs)), pixels(outputs))
            z[outputs.shape[0] :] = 0
            z[:, :, outputs.shape[2] :] = 0
        z = self._sums
        np.add(z[:, 0], z[:, 3], out=z[:, 1])
        np.subtract(z[:, 0], z[:, 3], out=z[:, 2])

    def d_products(self, i: int) -> Array:
        """Row i of A (dY A^T); valid until the next."""
        if i in (0, 3):
            return self.sums[i // 3]
        operation = np.add if i == 1 else np.subtract
        operation(self._sums[0], self._sums[1], out=self._products)
        return self.products

    def add_row(self, i: int) -> None:
        """Add row i of the tiles' gradient to the gradient of D B; row 1 comes first."""
        even, odd = self._half
        if i == 1:  # it is in place 1 already, where nothing else is yet
            np.copyto(self._down[2], self._down[1])
            even[:, 0], odd[:, -1] = 0, 0
            if self._top:
                self._half[:, :, 0] += self._left
        else:
            operation, a, b = B[i]
            np.add(self._down[a], self._tiles, out=self._down[a])
            operation(self._down[b], self._tiles, out=self._down[b])

    def give_d_pixels(self, dx: Array) -> None:
        """dx (images, H, W, C), of the gradient of D B; the tiles below add to its last rows."""
        np.copyto(self._left, self._half[:, :, -1])
        d0, d1, d2, d3 = (self._half[:, place] for place in range(4))
        odd = np.subtract(d1, d2, out=self._scratch)
        odd -= d3
        d1 += d2
        d1 -= d0
        for plane, here, before in ((self._planes[0], d0, d1), (self._planes[1], odd, d3)):
            np.add(here[..., 1:, :], before[..., :-1, :], out=plane[..., 1:-1, :])
            plane[..., 0, :], plane[..., -1, :] = here[..., 0, :], before[..., -1, :]
        images = pixels(dx)
        for plane, rows, columns in self._in_image:
            np.copyto(images[:, rows, columns].swapaxes(0, 1), plane)

    def _quarter(self, y: Array, p: int, q: int) -> Array:
        """The outputs in row p and column q of their tiles, as (down, images, along, F)."""
        stop = self._top + self._tiles.shape[1]
        return y[:, 2 * self._top + p : 2 * stop : 2, q::2].swapaxes(0, 1)

    def _cut_planes(
        self, geometry: Geometry
    ) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.void]], slice, slice]]:
        """Each plane as far as it is in the image, and its rows and columns there."""
        for q, p in product((0, 1), repeat=2):
            plane = self._planes[q, p]
            rows, in_column = _every_second(2 * self._top + p, len(plane), geometry.down)
            columns, in_row = _every_second(q, plane.shape[2], geometry.along)
            yield pixels(plane)[rows, :, columns], in_column, in_row


def _every_second(start: int, count: int, axis: Axis) -> tuple[slice, slice]:
    """Of the places start, start + 2, ... (`count` of them) of the padded axis those inside: by number, and where."""
    start -= axis.before
    first = min(max(0, -(start // 2)), count)
    stop = max(first, min(count, (axis.size - start + 1) // 2))
    return slice(first, stop), slice(start + 2 * first, max(0, start + 2 * stop - 1), 2)


def _like(z: Array, outputs: Array) -> Array:
    """z without the last row or column, where the outputs have no second one there."""
    return z[: outputs.shape[0], :, : outputs.shape[2]]


def _matrices(tiles: Array) -> Array:
    """(4, down, images, along, depth) as 4 matrices (tiles, depth)."""
    return tiles.reshape(4, -1, tiles.shape[-1], copy=False)
