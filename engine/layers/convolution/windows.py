"""The windows of an image that a kernel sees, as a view without a copy, and the way back."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.convolution.base import Chunk, Chunked, Geometry


@dataclass(frozen=True)
class Padded:
    """A chunk's place in the image with its zeros around."""

    whole: Array  # as many images and rows as the chunk needs, and all columns
    windows: Array
    inside: Array  # the part of `whole` that is the image
    image: tuple[slice, slice]  # rows and columns of the image that are in `whole`


class Windows(Chunked):
    """A convolution over windows: views (images, OH, OW / block, kh, columns, C) of images with their zeros.

    `block` neighbouring outputs share a window: it is `columns` = kw + (block - 1) stride wide.
    """

    def __init__(self, geometry: Geometry, rows: int, block: int = 1) -> None:
        down, along = geometry.down, geometry.along
        super().__init__(geometry, down.outputs, rows)
        self.block = block
        self.columns = along.kernel + (block - 1) * along.stride
        self.across = along.outputs // block  # windows in a row of outputs
        self._bare = not any(geometry.padding)
        self._room: Shape = (
            self.images,
            (self.rows - 1) * down.stride + down.reach,
            (along.outputs - 1) * along.stride + along.reach,
            geometry.channels,
        )

    def workspace_values(self) -> int:
        """A chunk of images with their zeros, where there are any."""
        return 0 if self._bare else size(self._room)

    def allocate(self, dtype: np.dtype[np.floating]) -> None:
        """Make room for a chunk of images with their zeros."""
        self._padded = np.empty(0 if self._bare else self._room, dtype)
        self._cuts: dict[tuple[int, int, int], Padded] = {}

    def windows(self, x: Array) -> Iterator[tuple[Chunk, Array]]:
        """Chunk by chunk the windows of x; valid until the next."""
        everywhere = self._windows_of(x, self.height) if self._bare else x
        for chunk in self.chunks(len(x)):
            if self._bare:
                yield chunk, everywhere[chunk.images, chunk.rows]
            else:
                cut = self._cut(chunk)
                cut.whole.fill(0)
                np.copyto(cut.inside, x[(chunk.images, *cut.image)])
                yield chunk, cut.windows

    def d_windows(self, dx: Array) -> Iterator[tuple[Chunk, Array]]:
        """Chunk by chunk windows to add a gradient to; it is added to dx, which becomes 0 first, before the next."""
        dx.fill(0)
        everywhere = self._windows_of(dx, self.height) if self._bare else dx
        for chunk in self.chunks(len(dx)):
            if self._bare:
                yield chunk, everywhere[chunk.images, chunk.rows]
            else:
                cut = self._cut(chunk)
                cut.whole.fill(0)
                yield chunk, cut.windows
                dx[(chunk.images, *cut.image)] += cut.inside

    def _cut(self, chunk: Chunk) -> Padded:
        """The padded chunk; kept, since to cut arrays takes time."""
        key = (chunk.count, chunk.rows.start, chunk.rows.stop)
        if key not in self._cuts:
            down, along = self.geometry.down, self.geometry.along
            height = (chunk.height - 1) * down.stride + down.reach
            top = chunk.rows.start * down.stride - down.before  # the chunk's first row in the image
            rows, image_rows = _common(-top, down.size, height)
            columns, image_columns = _common(along.before, along.size, self._room[2])
            whole = self._padded[: chunk.count, :height]
            self._cuts[key] = Padded(
                whole,
                self._windows_of(whole, chunk.height),
                whole[:, rows, columns],
                (image_rows, image_columns),
            )
        return self._cuts[key]

    def _windows_of(self, images: Array, height: int) -> Array:
        """The windows of `height` rows of outputs; `images` begin with the first row that they see."""
        down, along = self.geometry.down, self.geometry.along
        per_image, per_row, per_pixel, item = images.strides
        return np.lib.stride_tricks.as_strided(
            images,
            (len(images), height, self.across, down.kernel, self.columns, self.geometry.channels),
            (
                per_image,
                down.stride * per_row,
                self.block * along.stride * per_pixel,
                down.dilation * per_row,
                along.dilation * per_pixel,
                item,
            ),
        )


def _common(start: int, length: int, end: int) -> tuple[slice, slice]:
    """What `length` places from `start` on have in common with those from 0 to `end`; and counted from `start`."""
    first = min(max(start, 0), end)
    last = max(first, min(start + length, end))
    inside = min(max(first - start, 0), length)
    return slice(first, last), slice(inside, inside + last - first)
