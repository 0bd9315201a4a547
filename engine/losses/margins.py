"""Losses on scores: the sign of a score, or the largest of a row's, decides; a margin may be asked for.

A label y in {0, 1} is predicted as 1 if its score z > 0; of classes, the first with the largest score is.
The score times its side, t z with t = 2 y - 1, is positive where the prediction is right.
"""

from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape
from engine.losses.base import ElementLoss, LossSpec, Takes
from engine.losses.classification import check_classes
from engine.losses.rivals import Rival, SquaredRival


class MarginSpec(LossSpec):
    """What the losses on scores have in common."""

    tasks: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass", "multilabel"})
    takes: ClassVar[Takes] = "scores"


class HingeSpec(MarginSpec):
    """The support vector machine's loss: 0 for scores that are right by a margin of 1, linear below it.

    With several classes, the right one's score has to lead the best other one by 1.
    """

    formula: ClassVar[str] = (
        r"l = \frac{1}{n} \sum_j \max(0, 1 - t_j z_j), \ t_j = 2 y_j - 1;"
        r" \quad \text{classes: } l = \max(0, 1 + \max_{k \ne y} z_k - z_y)"
    )
    source: ClassVar[str] = (
        "Cortes & Vapnik 1995, Support-vector networks; Crammer & Singer 2001, On the algorithmic "
        "implementation of multiclass kernel-based vector machines, eq. 3"
    )

    kind: Literal["hinge"] = "hinge"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Hinge":
        """Build for one score a label, of any shape."""
        return Hinge(shape, batch, dtype)

    def build_for_classes(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Rival":
        """Build for rows of one axis, one score a class; raises `InvalidSpec` for other rows."""
        check_classes(self.kind, shape)
        return Rival(shape, batch, dtype, margin=1)


class SquaredHingeSpec(MarginSpec):
    """The hinge loss squared: smooth where the margin is met, and harder on scores that are far off."""

    formula: ClassVar[str] = (
        r"l = \frac{1}{n} \sum_j \max(0, 1 - t_j z_j)^2, \ t_j = 2 y_j - 1;"
        r" \quad \text{classes: } l = \max(0, 1 + \max_{k \ne y} z_k - z_y)^2"
    )
    source: ClassVar[str] = "Tang 2013, Deep learning using linear support vector machines, eq. 10"

    kind: Literal["squared_hinge"] = "squared_hinge"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "SquaredHinge":
        """Build for one score a label, of any shape."""
        return SquaredHinge(shape, batch, dtype)

    def build_for_classes(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "SquaredRival":
        """Build for rows of one axis, one score a class; raises `InvalidSpec` for other rows."""
        check_classes(self.kind, shape)
        return SquaredRival(shape, batch, dtype, margin=1)


class PerceptronLossSpec(MarginSpec):
    """The perceptron criterion: how far the scores of the mistakes are on the wrong side.

    Its gradient is Rosenblatt's rule, the prediction minus the target: not 0 for exactly those rows that
    are predicted wrongly. A score of 0 predicts a label's 0 and, of classes, the first one, so that weights
    that start at zero make mistakes and learn, although the loss itself is still 0 there.
    """

    formula: ClassVar[str] = (
        r"l = \frac{1}{n} \sum_j \max(0, -t_j z_j), \ t_j = 2 y_j - 1, \ \frac{\partial l}{\partial z_j}"
        r" = \frac{1}{n} ([z_j > 0] - y_j); \quad \text{classes: } l = \max_k z_k - z_y"
    )
    source: ClassVar[str] = (
        "Rosenblatt 1958, The perceptron; Duda & Hart 1973, Pattern classification and scene analysis, "
        "section 5.5"
    )

    kind: Literal["perceptron"] = "perceptron"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "PerceptronLoss":
        """Build for one score a label, of any shape."""
        return PerceptronLoss(shape, batch, dtype)

    def build_for_classes(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Rival":
        """Build for rows of one axis, one score a class; raises `InvalidSpec` for other rows."""
        check_classes(self.kind, shape)
        return Rival(shape, batch, dtype, margin=0)


class PerceptronLoss(ElementLoss):
    """element = d z with d = [z > 0] - y, which is also its slope."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._predicted = np.empty(self._difference.shape, np.bool_)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """d z: |z| for a mistake, else 0."""
        d, predicted = self._difference[: len(z)], self._predicted[: len(z)]
        np.greater(z, 0.0, out=predicted)
        np.subtract(predicted, y, out=d)
        np.multiply(d, z, out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """[z > 0] - y."""
        np.copyto(out, self._difference[: len(z)])


class Hinge(ElementLoss):
    """element = y f + (1 - y) a, where f = max(0, 1 - z) is for the label and a = max(0, 1 + z) against it.

    Its slope is (1 - y) [a > 0] - y [f > 0]. Targets between 0 and 1 are mixtures.
    """

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._for = np.empty_like(self._elements)
        self._against = np.empty_like(self._elements)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """a + y (f - a)."""
        f, a = self._sides(z)
        np.subtract(f, a, out=out)
        out *= y
        out += a

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """A - y (A + F) with the signs A of a and F of f."""
        f, a = self._for[: len(z)], self._against[: len(z)]
        np.sign(f, out=f)
        np.sign(a, out=a)
        _slopes(f, a, y, out)

    def _sides(self, z: Array) -> tuple[Array, Array]:
        """f and a."""
        f, a = self._for[: len(z)], self._against[: len(z)]
        np.subtract(1.0, z, out=f)
        np.maximum(f, 0.0, out=f)
        np.add(z, 1.0, out=a)
        np.maximum(a, 0.0, out=a)
        return f, a


class SquaredHinge(Hinge):
    """element = y f^2 + (1 - y) a^2; its slope is 2 (1 - y) a - 2 y f."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self.share *= 2

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """a^2 + y (f - a) (f + a)."""
        (f, a), t = self._sides(z), self._difference[: len(z)]
        np.subtract(f, a, out=out)
        np.add(f, a, out=t)
        out *= t
        out *= y
        np.square(a, out=t)
        out += t

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """Half of it: a - y (a + f)."""
        _slopes(self._for[: len(z)], self._against[: len(z)], y, out)


def _slopes(f: Array, a: Array, y: Array, out: Array) -> None:
    """(1 - y) a - y f."""
    np.add(a, f, out=out)
    out *= y
    np.subtract(a, out, out=out)
