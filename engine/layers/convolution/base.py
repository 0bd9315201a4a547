"""What a convolution computes, whatever its way of computing it.

An image x (rows, H, W, C) and a kernel W (kh, kw, C / groups, F) give

    y[n, o, p, f] = b[f] + sum_(i, j, c) W[i, j, c, f] x[n, o s + i d - top, p s + j d - left, g C / groups + c]

with the stride s, the dilation d, zeros outside of the image, and g the group of filter f: the channels
and the filters are cut into `groups` equal parts, and a filter sees the channels of its own part.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.images.sliding import Axis


@dataclass(frozen=True)
class Geometry:
    """The numbers that fix a convolution: down the rows and along the columns of an image, and in depth."""

    down: Axis
    along: Axis
    channels: int
    filters: int
    groups: int = 1

    @property
    def in_shape(self) -> Shape:
        """(H, W, C)."""
        return (self.down.size, self.along.size, self.channels)

    @property
    def out_shape(self) -> Shape:
        """(OH, OW, F)."""
        return (self.down.outputs, self.along.outputs, self.filters)

    @property
    def weight_shape(self) -> Shape:
        """(kh, kw, C / groups, F)."""
        return (self.down.kernel, self.along.kernel, self.channels // self.groups, self.filters)

    @property
    def padding(self) -> Shape:
        """Zeros (top, bottom, left, right)."""
        return (self.down.before, self.down.after, self.along.before, self.along.after)

    @property
    def multiply_adds(self) -> int:
        """Of one image, by the formula."""
        return size(self.out_shape[:2]) * size(self.weight_shape)


class Convolution:
    """A way to compute a convolution and its gradients; it owns workspaces of a fixed size."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry

    def workspace_values(self) -> int:
        """How many numbers `allocate` makes room for."""
        raise NotImplementedError

    def allocate(self, dtype: np.dtype[np.floating]) -> None:
        """Make the workspaces."""
        raise NotImplementedError

    def forward(self, x: Array, weights: Array, bias: Array | None, y: Array) -> None:
        """Fill y (rows, OH, OW, F) from x (rows, H, W, C)."""
        raise NotImplementedError

    def weight_gradient(self, x: Array, dy: Array, d_weights: Array, d_bias: Array | None) -> None:
        """Fill dC/dW and dC/db: sums over all rows and places of x dy, and of dy."""
        raise NotImplementedError

    def input_gradient(self, dy: Array, weights: Array, dx: Array) -> None:
        """Fill dC/dx: each dy goes back, times the weight, to the x that it came from."""
        raise NotImplementedError


@dataclass(frozen=True)
class Chunk:
    """Some rows of output of some images: what is computed at once, so that it stays in the cache."""

    images: slice
    rows: slice

    @property
    def count(self) -> int:
        """How many images."""
        return int(self.images.stop - self.images.start)

    @property
    def height(self) -> int:
        """How many rows."""
        return int(self.rows.stop - self.rows.start)


class Chunked(Convolution):
    """A convolution that is computed chunk by chunk."""

    def __init__(self, geometry: Geometry, height: int, rows: int) -> None:
        """For images of `height` rows of output, in chunks of about `rows` such rows."""
        super().__init__(geometry)
        self.height = height
        self.images = max(rows // height, 1)  # in a chunk
        self.rows = min(max(rows, 1), height)  # of each of them

    def chunks(self, images: int) -> Iterator[Chunk]:
        """All rows of `images` images; those of one image follow each other."""
        for first in range(0, images, self.images):
            for top in range(0, self.height, self.rows):
                yield Chunk(
                    slice(first, min(first + self.images, images)),
                    slice(top, min(top + self.rows, self.height)),
                )


@contextmanager
def short_buffers() -> Iterator[None]:
    """Within, NumPy gathers arrays that are not contiguous in buffers of 8 KiB in place of 32 KiB.

    It makes and drops up to three of them in each operation on such arrays; short ones are as quick.
    """
    before = np.setbufsize(2048)
    try:
        yield
    finally:
        np.setbufsize(before)
