"""Padding at the end (or anywhere) of a series: steps that are there only to give all rows one length."""

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.axes import check_series
from engine.layers.base import LayerSpec, mask_values


class SeriesSpec(LayerSpec):
    """A spec of a layer that maps a series to one of the same shape and leaves padding as it is."""

    mask_value: float | None = Field(
        None,
        ge=-1e9,
        le=1e9,
        description="A step whose features all have this value is padding: it has no influence on other steps and "
        "comes out as it went in, so that the next layer knows it too. Left out, no step is padding.",
    )

    def check(self, in_shape: Shape) -> None:
        """Raise `InvalidSpec` for rows that are no series."""
        check_series(self.kind, in_shape)

    def mask(self, in_shape: Shape) -> "StepMask | None":
        """What finds the padding, if there may be any."""
        return None if self.mask_value is None else StepMask(self.mask_value, in_shape)


class StepMask:
    """Finds the padded steps, whose features all have one value."""

    def __init__(self, value: float, in_shape: Shape) -> None:
        self._value = value
        self._in_shape = in_shape

    def bind(self, batch: int) -> None:
        """Allocate two masks for up to `batch` rows."""
        self._equal = np.empty((batch, *self._in_shape), np.bool_)
        self._padded = np.empty((batch, self._in_shape[0], 1), np.bool_)
        self.padded = self._padded
        """Whether each step of the rows of the last `find` is padding, (rows, steps, 1)."""

    def find(self, x: Array) -> None:
        """Look for the padding in x (rows, steps, features)."""
        equal, self.padded = self._equal[: len(x)], self._padded[: len(x)]
        np.equal(x, self._value, out=equal)
        np.logical_and.reduce(equal, axis=-1, keepdims=True, out=self.padded)

    def restore(self, y: Array) -> None:
        """Make the padded steps of y what they were."""
        np.copyto(y, self._value, where=self.padded)

    def silence(self, dy: Array) -> None:
        """Padded steps have no gradient."""
        np.copyto(dy, 0, where=self.padded)

    def buffer_values(self) -> int:
        """The two masks."""
        return mask_values(size(self._in_shape) + self._in_shape[0])
