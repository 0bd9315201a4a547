"""The loss of a row's direction."""

from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.losses.base import Loss, LossSpec
from engine.spec import InvalidSpec


class CosineSpec(LossSpec):
    """1 less the cosine of the angle between a row's answers and its targets: their length does not count.

    So the network learns which way the targets point, not how large they are. A row of zeros has the
    cosine 0.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"regression", "autoencoding"})
    formula: ClassVar[str] = r"l = 1 - \frac{\sum_j a_j y_j}{\lVert a \rVert \, \lVert y \rVert}"
    source: ClassVar[str] = "Salton, Wong & Yang 1975, A vector space model for automatic indexing"

    kind: Literal["cosine"] = "cosine"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Cosine":
        """Build for outputs of any shape; raises `InvalidSpec` for a single one, which has no direction."""
        if size(shape) < 2:
            raise InvalidSpec("cosine compares directions: it needs at least 2 outputs, and there is 1")
        return Cosine(shape, batch, dtype)


class Cosine(Loss):
    """l = 1 - c with c = (a . y) / (|a| |y|); its slope is c a / |a|^2 - y / (|a| |y|).

    A length of 0 is taken as 1: c is 0 then, and the slope of a row that is still at its start is -y / |y|.
    """

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._c, self._a, self._y, self._factor = (np.empty(batch, dtype) for _ in range(4))
        self._is_zero = np.empty(batch, np.bool_)
        self._part = np.empty((batch, self._width), dtype)

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """1 - (a . y) / (|a| |y|)."""
        c = self._c[: len(z)]
        np.vecdot(z, y, out=c)
        c /= self._length(z, self._a[: len(z)])
        c /= self._length(y, self._y[: len(z)])
        np.subtract(1.0, c, out=out)

    def _length(self, rows: Array, out: Array) -> Array:
        """sqrt(sum_j x_j^2) of each row, and 1 where that is 0."""
        is_zero = self._is_zero[: len(rows)]
        np.vecdot(rows, rows, out=out)
        np.sqrt(out, out=out)
        np.equal(out, 0.0, out=is_zero)
        return np.add(out, is_zero, out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """(c a / |a| - y / |y|) / |a|."""
        c, length = self._c[: len(z)], self._a[: len(z)]
        factor, part = self._factor[: len(z)], self._part[: len(z)]
        np.divide(c, length, out=factor)
        np.multiply(z, factor[:, None], out=out)
        np.divide(y, self._y[: len(z), None], out=part)
        out -= part
        out /= length[:, None]
