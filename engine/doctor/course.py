"""The course of the losses, as much of it as the rules need: its size does not grow with the epochs."""

from collections import deque
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Self

from engine.training import Point

RECENT = 12
FALL = 0.01  # the training loss has moved when it has fallen by this share


@dataclass
class Course:
    """The losses so far."""

    epochs: int = 0
    step: int = 0
    first: float = 0.0  # the training loss of epoch 1
    lowest: float = float("inf")  # training loss
    peak: float = 0.0  # the highest training loss that a rise led to
    rises: int = 0  # epochs whose training loss is above the one before
    rising: int = 0  # epochs in a row whose training loss is above the one before
    moved_epoch: int = 0  # the last epoch whose training loss was below `moved_loss` by a hundredth
    moved_loss: float = float("inf")
    best_epoch: int = 0  # of the validation loss
    best: float = float("inf")  # validation loss
    train_at_best: float = float("inf")
    largest_update: float = 0.0  # length of a step by the length of the weights, at the most, on a sample
    recent: deque[tuple[float, float | None]] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Training and validation loss of the last epochs, newest last."""

    def add(self, point: Point) -> None:
        """Take in an epoch."""
        train, validation = point.train_loss, point.validation_loss
        rose = bool(self.recent) and train > self.recent[-1][0]
        self.rises += rose
        if rose:
            self.peak = max(self.peak, train)
        self.rising = self.rising + 1 if rose else 0
        if not self.epochs:
            self.first = train
        self.epochs, self.step = point.epoch, point.step
        self.lowest = min(self.lowest, train)
        if train < self.moved_loss - FALL * abs(self.moved_loss) or self.moved_epoch == 0:
            self.moved_epoch, self.moved_loss = point.epoch, train
        if validation is not None and validation < self.best:
            self.best, self.best_epoch, self.train_at_best = validation, point.epoch, train
        self.recent.append((train, validation))

    @property
    def train(self) -> float:
        """The training loss lately: the mean of up to three epochs."""
        last = [train for train, _ in list(self.recent)[-3:]]
        return sum(last) / len(last)

    @property
    def validation(self) -> float | None:
        """The validation loss lately: the mean of up to three epochs; None without validation."""
        last = [loss for _, loss in list(self.recent)[-3:] if loss is not None]
        return sum(last) / len(last) if last else None

    @property
    def share_of_rises(self) -> float:
        """How many of the changes from epoch to epoch were rises."""
        return self.rises / max(self.epochs - 1, 1)

    @property
    def swing(self) -> float:
        """Mean size of the recent changes of the training loss from epoch to epoch."""
        losses = [train for train, _ in self.recent]
        return sum(map(abs, self._changes(losses))) / max(len(losses) - 1, 1)

    @property
    def recent_rises(self) -> float:
        """How many of the recent changes were rises."""
        losses = [train for train, _ in self.recent]
        return sum(change > 0 for change in self._changes(losses)) / max(len(losses) - 1, 1)

    @property
    def recent_fall(self) -> float:
        """By how much the training loss fell over the recent epochs."""
        return self.recent[0][0] - self.recent[-1][0]

    @staticmethod
    def _changes(losses: list[float]) -> list[float]:
        return [after - before for before, after in pairwise(losses)]

    def facts(self) -> dict[str, Any]:
        """All of it in JSON, for a checkpoint; infinities as None."""
        values = asdict(self) | {"recent": [list(losses) for losses in self.recent]}
        return {name: None if value == float("inf") else value for name, value in values.items()}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Self:
        """The course that told these facts."""
        values: dict[str, Any] = {
            name: float("inf") if value is None else value for name, value in facts.items()
        }
        recent = ((train, validation) for train, validation in facts["recent"])
        return cls(**values | {"recent": deque(recent, maxlen=RECENT)})
