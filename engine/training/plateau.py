"""A learning rate that falls when the loss no longer does."""

import math

from engine.checkpoint import Checkpoint
from engine.schedules import ReduceOnPlateauSpec


class Plateau:
    """The factor on the learning rate, and what it depends on: the lowest loss and the epochs since."""

    factor: float = 1.0

    def __init__(self, spec: ReduceOnPlateauSpec) -> None:
        self._spec = spec
        self._best = math.inf
        self._waited = 0

    def checkpoint(self) -> Checkpoint:
        """All of it; JSON knows no infinity, so no loss yet is null."""
        best = None if math.isinf(self._best) else self._best
        return Checkpoint(facts={"factor": self.factor, "best": best, "waited": self._waited})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there."""
        facts = checkpoint.facts
        self.factor, self._waited = facts["factor"], facts["waited"]
        self._best = math.inf if facts["best"] is None else facts["best"]

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
