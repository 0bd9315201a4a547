"""The windows of a pooling: where they lie, and how pixels get from an image into them and back.

All windows are handled at once, place by place: the pixels at one place of every window (say, the upper
left) are a regular grid of the image. Gathered into an array of their own they are contiguous, and
arithmetic on contiguous arrays is several times as fast as on a grid of a few channels each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from engine.arrays import Shape
from engine.layers.images.sliding import Axis
from engine.spec import InvalidSpec

MOST_PLACES = 16_384
"""Places that a window may have: each of them costs several calls."""


@dataclass(frozen=True)
class Place:
    """One place of the windows, seen from all of them; slices of rows, then of columns."""

    inside: tuple[slice, slice]  # the pixels of the image at this place
    windows: tuple[slice, slice]  # the windows that have them; the others lie over the margin here
    everywhere: bool  # whether these are all windows
    fresh: bool  # whether no place before this one holds any of these pixels


def places_along(axis: Axis) -> Iterator[tuple[int, slice, slice]]:
    """Each place of a window that lies on the axis in some window: its number, the axis there, those windows."""
    for number in range(axis.kernel):
        shift = number - axis.before
        first = max(0, -(shift // axis.stride))
        end = min(axis.outputs, (axis.size - 1 - shift) // axis.stride + 1)
        if first < end:
            start, last = first * axis.stride + shift, (end - 1) * axis.stride + shift
            yield number, slice(start, last + 1, axis.stride), slice(first, end)


def covers(axis: Axis) -> bool:
    """Whether the places before the first stride reach all of the axis (a margin at its end does no harm)."""
    return axis.stride <= axis.kernel and axis.before == 0 and axis.outputs * axis.stride >= axis.size


class PoolingWindows:
    """Windows over images (rows, height, width, channels), one pixel of output each."""

    def __init__(self, vertical: Axis, horizontal: Axis, channels: int) -> None:
        """Raises `InvalidSpec` for windows of more than `MOST_PLACES`."""
        self.in_shape: Shape = (vertical.size, horizontal.size, channels)
        self.out_shape: Shape = (vertical.outputs, horizontal.outputs, channels)
        self.size = vertical.kernel * horizontal.kernel
        if self.size > MOST_PLACES:
            raise InvalidSpec(
                f"a window of {self.size} places is too large, {MOST_PLACES} are allowed: pool in several steps, or "
                "over all of the image",
                ("pool_size",),
            )
        self.overlapping = vertical.kernel > vertical.stride or horizontal.kernel > horizontal.stride
        self.covering = covers(vertical) and covers(horizontal)
        self.vertical, self.horizontal = vertical, horizontal

    def places(self) -> list[Place]:
        """The places, row by row."""
        vertical, horizontal = self.vertical, self.horizontal
        everywhere = slice(0, vertical.outputs), slice(0, horizontal.outputs)
        return [
            Place(
                inside=(rows, columns),
                windows=(down, right),
                everywhere=(down, right) == everywhere,
                fresh=i < vertical.stride and j < horizontal.stride,
            )
            for (i, rows, down), (j, columns, right) in product(
                places_along(vertical), places_along(horizontal)
            )
        ]
