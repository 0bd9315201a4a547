"""Linear interpolation along one axis, to a whole number of times as many places, and its transpose."""

import numpy as np

from engine.arrays import Array
from engine.layers.images.pixels import pixels


class LinearInterpolation:
    """From (rows, length, values) to (rows, length * factor, values).

    The new place p of the `factor` in place of x_i lies at i + d with d = (p + 1/2) / factor - 1/2, and
    gets x_i + d times the difference to the neighbour on that side; at the ends there is none, and x_i stays.
    """

    def __init__(self, length: int, factor: int, values: int) -> None:
        self._length, self._factor, self._values = length, factor, values

    def bind(self, rows: int, dtype: np.dtype[np.floating]) -> None:
        """Allocate for up to `rows`."""
        self._offsets = [(p + 0.5) / self._factor - 0.5 for p in range(self._factor)]
        self._t = np.empty((rows, self._length, self._values), dtype)
        self._differences = np.empty((rows, self._length - 1, self._values), dtype)
        self._part = np.empty_like(self._differences)

    def buffer_values(self) -> int:
        """Numbers of a float32's size that `bind` allocates for a row."""
        return (3 * self._length - 2) * self._values

    def stretch(self, x: Array, out: Array) -> None:
        """Fill `out`: y_ip = x_i + d_p (x_(i+1) - x_i), for d_p < 0 with x_i - x_(i-1)."""
        x = x.reshape(-1, self._length, self._values)
        y = pixels(out.reshape(-1, self._length, self._factor, self._values))
        t, differences, part = self._t[: len(x)], self._differences[: len(x)], self._part[: len(x)]
        np.subtract(x[:, 1:], x[:, :-1], out=differences)
        for p, offset in enumerate(self._offsets):
            np.copyto(t, x)
            np.multiply(differences, offset, out=part)
            between = self._between(t, offset)
            between += part
            np.copyto(y[:, :, p], pixels(t))

    def gather(self, dy: Array, out: Array) -> None:
        """Fill `out` with dC/dx_i, the transpose of `stretch`: first of the differences, then of x alone."""
        dx = out.reshape(-1, self._length, self._values)
        slopes = pixels(dy.reshape(-1, self._length, self._factor, self._values))
        t, differences, part = self._t[: len(dx)], self._differences[: len(dx)], self._part[: len(dx)]
        dx.fill(0)
        differences.fill(0)
        for p, offset in enumerate(self._offsets):
            np.copyto(pixels(t), slopes[:, :, p])
            dx += t
            differences += np.multiply(self._between(t, offset), offset, out=part)
        dx[:, 1:] += differences
        dx[:, :-1] -= differences

    @staticmethod
    def _between(t: Array, offset: float) -> Array:
        """The places of `t` that have a neighbour on the side of `offset`."""
        return t[:, 1:] if offset < 0 else t[:, :-1]
