"""A learning rate that falls when the loss no longer does."""

import math

from engine.schedules import ReduceOnPlateauSpec


class Plateau:
    """The factor on the learning rate, and what it depends on: the lowest loss and the epochs since."""

    factor: float = 1.0

    def __init__(self, spec: ReduceOnPlateauSpec) -> None:
        self._spec = spec
        self._best = math.inf
        self._waited = 0

    def update(self, loss: float) -> None:
        """Take note of an epoch's loss."""
        lowest = math.isinf(self._best) or loss < self._best - self._spec.threshold * abs(self._best)
        if lowest:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited == self._spec.patience:
            self.factor = max(self.factor * self._spec.factor, self._spec.minimum)
            self._waited = 0
