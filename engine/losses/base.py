"""The contract of a loss: how far a batch of outputs is from its targets, and the gradient of that.

A loss gives each row r a number l_r; a batch costs the weighted mean C = sum_r w_r l_r / sum_r w_r.
Targets have the outputs' shape: classes come as one-hot rows (or as probabilities that sum to 1).
"""

from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.spec import Spec

Takes = Literal["answers", "logits", "scores", "logarithms"]
"""What a network's outputs are to a loss:

answers      what the model says: values, or probabilities that a last layer makes
logits       what the task's link (sigmoid, softmax), which is part of the loss, makes probabilities of
scores       numbers of which only the sign, or the largest, is the answer
logarithms   of the values that the model says
"""


class LossSpec(Spec):
    """A spec that builds a loss."""

    kind: str

    tasks: ClassVar[frozenset[str]] = frozenset()
    """The tasks that the loss is for."""
    takes: ClassVar[Takes] = "answers"
    """What the network's outputs are to the loss."""

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Loss":
        """Build for outputs of `shape` a row and allocate for up to `batch` rows.

        Raises `InvalidSpec` when outputs of that shape do not go with the loss.
        """
        raise NotImplementedError

    def build_for_classes(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Loss":
        """The same for outputs of which exactly one is right: one a class, and rows of one axis.

        Differs from `build` in the losses that take labels as well, each of which may hold or not.
        """
        return self.build(shape, batch=batch, dtype=dtype)


class Loss:
    """A built loss; it owns its buffers, so it is single-threaded, and allocates nothing in a call.

    A concrete loss defines l_r and its gradient, in `losses` and `slopes` or, all at once, in `cost` and
    `descend`; the weighted mean over the rows is here.
    """

    share = 1.0
    """A constant factor on the gradient that `slopes` leaves out."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        self._width = size(shape)
        self._vectors = np.ones(batch, dtype), np.empty(batch, dtype)
        self._slope_factor = np.empty((), dtype)
        self.take_rows(batch)

    def __call__(self, output: Array, target: Array, weight: Array | None, d_output: Array) -> float:
        """The weighted mean C over the rows; overwrites `d_output` with dC/d(output).

        `output`, `target` and `d_output`: (rows, *shape), C-contiguous, of the loss's dtype, three
        different arrays. `weight`: (rows,), not negative, or None for all ones. Weights that sum to 0
        give the loss 0 and the gradient 0.
        """
        if output.ndim != 2:
            output, target, d_output = (self._flat(values) for values in (output, target, d_output))
        total = self._total(len(output), weight)
        if total == 0:
            d_output.fill(0)
            return 0.0
        self._slope_factor[()] = self.share / total
        return self.descend(output, target, weight, self._slope_factor, d_output) / total

    def value(self, output: Array, target: Array, weight: Array | None) -> float:
        """The weighted mean C over the rows, without the gradient."""
        total = self._total(len(output), weight)
        return self.cost(self._flat(output), self._flat(target), weight) / total if total else 0.0

    def take_rows(self, rows: int) -> None:
        """Cut the buffers to `rows`: only when their number changes, since a cut costs as much as a small sum."""
        self._rows = rows
        self._ones, self._losses = (vector[:rows] for vector in self._vectors)

    def _total(self, rows: int, weight: Array | None) -> float:
        """sum_r w_r; all buffers are then cut to these rows."""
        if rows != self._rows:
            self.take_rows(rows)
        return rows if weight is None else float(np.dot(self._ones, weight))

    def _flat(self, values: Array) -> Array:
        return values.reshape(-1, self._width)

    def cost(self, z: Array, y: Array, weight: Array | None) -> float:
        """sum_r w_r l_r for outputs `z` and targets `y`, both (rows, width), and weights (rows,) or None."""
        self.losses(z, y, self._losses)
        return float(np.dot(self._ones if weight is None else weight, self._losses))

    def descend(self, z: Array, y: Array, weight: Array | None, factor: Array, out: Array) -> float:
        """`cost`; fills `out` (rows, width) with factor w_r dl_r/dz / share, where `factor` has no axes."""
        cost = self.cost(z, y, weight)
        self.slopes(z, y, out)
        out *= factor
        if weight is not None:
            out *= weight[:, None]
        return cost

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """Fill `out` (rows,) with l_r."""
        raise NotImplementedError

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """Fill `out` (rows, width) with dl_r/dz / share; `losses` has just run on the same arrays."""
        raise NotImplementedError


class ElementLoss(Loss):
    """A loss whose l_r is the mean over the row's outputs of a loss of each output."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self.share = 1 / self._width
        self._column = np.full(self._width, self.share, dtype)  # of 1 / width: the dot with it is the mean
        self._difference = np.empty((batch, self._width), dtype)
        self._elements = np.empty((batch, self._width), dtype)

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """l_r = (1 / width) sum_j element(z_j, y_j)."""
        elements = self._elements[: len(z)]
        self.elements(z, y, elements)
        np.dot(elements, self._column, out=out)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """Fill `out` (rows, width) with the loss of each output."""
        raise NotImplementedError
