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

    A concrete loss defines l_r and its gradient; the weighted mean over the rows is here.
    """

    share = 1.0
    """A constant factor on the gradient that `slopes` leaves out."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        self._width = size(shape)
        self._row_losses = np.empty(batch, dtype)
        self._row_factors = np.empty((batch, 1), dtype)
        self._ones = np.ones(batch, dtype)

    def __call__(self, output: Array, target: Array, weight: Array | None, d_output: Array) -> float:
        """The weighted mean C over the rows; overwrites `d_output` with dC/d(output).

        `output`, `target` and `d_output`: (rows, *shape), C-contiguous, of the loss's dtype, three
        different arrays. `weight`: (rows,), not negative, or None for all ones. Weights that sum to 0
        give the loss 0 and the gradient 0.
        """
        z, y, d = self._flat(output), self._flat(target), self._flat(d_output)
        mean = self.value(z, y, weight)
        self.slopes(z, y, d)
        if weight is None:
            d *= self.share / len(d)
            return mean
        factors = self._row_factors[: len(d)]
        total = self._sum(weight)
        np.multiply(weight[:, None], self.share / total if total else 0.0, out=factors)
        d *= factors
        return mean

    def value(self, output: Array, target: Array, weight: Array | None) -> float:
        """The weighted mean C over the rows, without the gradient."""
        losses = self._row_losses[: len(output)]
        self.losses(self._flat(output), self._flat(target), losses)
        if weight is None:
            return self._sum(losses) / len(losses)
        total = self._sum(weight)
        return float(np.dot(weight, losses)) / total if total else 0.0

    def _flat(self, values: Array) -> Array:
        return values if values.ndim == 2 else values.reshape(-1, self._width)

    def _sum(self, values: Array) -> float:
        return float(np.dot(self._ones[: len(values)], values))

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """Fill `out` (rows,) with l_r for outputs `z` and targets `y`, both (rows, width)."""
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
