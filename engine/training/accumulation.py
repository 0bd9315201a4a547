"""One step for several batches: large batches in the memory of small ones."""

import numpy as np

from engine.arrays import Array
from engine.checkpoint import Checkpoint


class GradientMean:
    """The mean of the gradients of some batches, each by the weight of its rows.

    Each gradient is that of the weighted mean over a batch, so that sum_i W_i g_i / sum_i W_i is the
    gradient of the weighted mean over all the rows.
    """

    def __init__(self, grad: Array, batches: int) -> None:
        """`grad`: where each batch's gradient comes in and the mean goes out; `batches` make a mean."""
        self._grad = grad
        self._sum = np.empty_like(grad)
        self._batches = batches
        self._weight = 0.0
        self.count = 0  # batches that are waiting for their step

    def add(self, weight: float) -> bool:
        """Take in a batch's gradient; returns whether `grad` has become the mean."""
        np.multiply(self._grad, weight, out=self._grad)
        if self.count:
            np.add(self._sum, self._grad, out=self._sum)
        else:
            np.copyto(self._sum, self._grad)
        self._weight += weight
        self.count += 1
        if self.count < self._batches:
            return False
        self.finish()
        return True

    def checkpoint(self) -> Checkpoint:
        """The sum of the batches that are waiting."""
        waiting = {"sum": self._sum} if self.count else {}
        return Checkpoint(waiting, {"count": self.count, "weight": float(self._weight)})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Let these batches wait again; raises `CheckpointMismatch` where their sum does not fit."""
        self.count, self._weight = checkpoint.facts["count"], checkpoint.facts["weight"]
        if self.count:
            checkpoint.fill(sum=self._sum)

    def finish(self) -> None:
        """Let `grad` be the mean of what came in, and begin anew."""
        np.divide(self._sum, self._weight or 1.0, out=self._grad)
        self._weight = 0.0
        self.count = 0
