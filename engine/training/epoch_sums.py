"""What an epoch has come to so far."""

from engine.checkpoint import Checkpoint


class EpochSums:
    """The loss summed over an epoch's batches, and the position within the epoch."""

    batches: int  # done
    learning_rate: float  # of the last batch

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an epoch."""
        self.batches = 0
        self.learning_rate = self._loss = self._weight = 0.0

    def add(self, loss: float, weight: float) -> None:
        """A batch's mean loss, and the weight of its rows."""
        self.batches += 1
        self._loss += loss * weight
        self._weight += weight

    @property
    def loss(self) -> float:
        """The mean so far, by the weight of the rows."""
        return self._loss / self._weight

    def checkpoint(self) -> Checkpoint:
        """All of it."""
        return Checkpoint(
            facts={
                "batches": self.batches,
                "learning_rate": self.learning_rate,
                "loss": float(self._loss),
                "weight": float(self._weight),
            }
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there."""
        facts = checkpoint.facts
        self.batches, self.learning_rate = facts["batches"], facts["learning_rate"]
        self._loss, self._weight = facts["loss"], facts["weight"]
