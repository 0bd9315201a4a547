"""The losses of `margins` for several classes: the right one against its strongest rival."""

import numpy as np

from engine.arrays import Array, Shape
from engine.losses.base import Loss


class Rival(Loss):
    """l = margin + max_k (z_k - margin y_k) - sum_k y_k z_k: what the strongest rival lacks to the margin.

    The right class is a rival to itself, without the margin: where it wins, l is 0. The slope is
    [k is the rival] - y_k. Without a margin the rival is the prediction.
    """

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating], *, margin: float) -> None:
        super().__init__(shape, batch, dtype)
        self._margin = margin
        self._classes = np.arange(self._width, dtype=dtype)
        self._rivals = np.empty((batch, self._width), dtype)
        self._first = np.empty(batch, np.intp)
        self._rival = np.empty((batch, 1), dtype)
        self._is_rival = np.empty((batch, self._width), np.bool_)
        self._score = np.empty(batch, dtype)

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """margin + max_k (z_k - margin y_k) - sum_k y_k z_k."""
        rivals, score = self._rivals[: len(z)], self._score[: len(z)]
        np.multiply(y, -self._margin, out=rivals)
        rivals += z
        np.maximum.reduce(rivals, axis=1, out=out)
        np.vecdot(z, y, out=score)
        out -= score
        out += self._margin

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """[k is the first strongest rival] - y_k."""
        rival, is_rival = self._rival[: len(z)], self._is_rival[: len(z)]
        np.copyto(rival[:, 0], self._rivals[: len(z)].argmax(1, self._first[: len(z)]))
        np.equal(rival, self._classes, out=is_rival)
        np.subtract(is_rival, y, out=out)


class SquaredRival(Rival):
    """l = h^2 with the h of `Rival`; its slope is 2 h ([k is the rival] - y_k)."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating], *, margin: float) -> None:
        super().__init__(shape, batch, dtype, margin=margin)
        self._h = np.empty((batch, 1), dtype)

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """h^2."""
        h = self._h[: len(z), 0]
        super().losses(z, y, h)
        np.square(h, out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """2 h ([k is the rival] - y_k)."""
        super().slopes(z, y, out)
        out *= self._h[: len(z)]
        out *= 2.0
