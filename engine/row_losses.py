"""What a training made of each of its rows on the way: their losses after some epochs, and its mean answers.

A network learns most rows before it learns wrong labels by heart (Arpit et al. 2017, A Closer Look at Memorization in
Deep Networks): what it said of a row on the way tells more about its label than what it says at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array
from engine.checkpoint import Checkpoint
from engine.encoding.split import Indices
from engine.encoding.target import AnyTarget
from engine.explaining.differentiable import linked
from engine.explaining.losses import row_losses
from engine.model import OF_ROWS
from engine.network import Network
from engine.tasks import Link

MOST_ROWS = 100_000
"""Rows that are followed; of more some are, evenly spread."""
MOST_ANSWERS = 4_000_000
"""Answers that are kept, outputs times rows: of many outputs fewer rows are followed."""
MOST_EPOCHS = 20
"""Epochs whose losses are kept. When there are as many, every second one goes, and from then on half as often one is
added."""

Figures = NDArray[np.float64]


def followed(rows: int, outputs: int) -> Indices:
    """Which of so many training rows are followed."""
    most = max(min(MOST_ROWS, MOST_ANSWERS // outputs), 1)
    return np.arange(0, rows, -(-rows // most))


def memory_bytes(rows: int, outputs: int) -> int:
    """Bytes that a recorder of a training on so many rows holds, and again what its model does."""
    some = len(followed(rows, outputs))
    return 2 * some * (4 * MOST_EPOCHS + 16 * outputs)


class RowRecorder:
    """Follows rows of a training, from epoch to epoch."""

    def __init__(
        self, network: Network, link: Link, target: AnyTarget, x: Array, truth: Figures, places: Indices
    ) -> None:
        """`x` (rows, *in_shape): all training rows, encoded; `places`: of the followed ones, whose `truth` it is."""
        self._network, self._link, self._target = network, link, target
        self._x, self._truth, self._places = x, truth, places
        self._every = 1
        self._epochs: list[int] = []
        self._losses = np.zeros((MOST_EPOCHS, len(places)), np.float32)
        self._sum, self._count = np.zeros((len(places), target.outputs)), 0

    def record(self, epoch: int) -> None:
        """Look at the network as it is after an epoch, if that is one of those that are looked at."""
        if epoch % self._every:
            return
        answers = self._answers()
        self._sum += answers
        self._count += 1
        self._losses[len(self._epochs)] = row_losses(self._target, answers, self._truth)
        self._epochs.append(epoch)
        if len(self._epochs) == MOST_EPOCHS:
            self._halve()

    def _halve(self) -> None:
        """Keep every second epoch."""
        self._every *= 2
        kept = [place for place, epoch in enumerate(self._epochs) if epoch % self._every == 0]
        self._losses[: len(kept)] = self._losses[kept]
        self._epochs = [self._epochs[place] for place in kept]

    def _answers(self) -> Figures:
        batch = self._network.batch
        outputs = np.empty(self._sum.shape)
        with np.errstate(all="ignore"):  # what overflows ends the training, which says more
            for start in range(0, len(self._places), batch):
                rows = np.ascontiguousarray(self._x[self._places[start : start + batch]])
                z = self._network.forward(rows).astype(np.float64)
                answers = linked(self._link, z)
                outputs[start : start + batch] = answers.reshape(len(rows), -1, z.shape[-1]).mean(axis=1)
            return self._target.answers(outputs)

    def history(self, numbers: Indices) -> "RowHistory | None":
        """What is known so far; `numbers`: those of all training rows in the table. None before the first epoch."""
        if not self._count:
            return None
        rows = numbers[self._places]
        order = np.argsort(rows, kind="stable")  # windows over several series are not in the table's order
        return RowHistory(
            epochs=np.array(self._epochs, np.int64),
            rows=rows[order],
            losses=self._losses[: len(self._epochs), order],
            answers=(self._sum[order] / self._count).astype(np.float32),
            looks=self._count,
        )

    def checkpoint(self) -> Checkpoint:
        """All of it."""
        return Checkpoint(
            {"losses": self._losses, "sum": self._sum},
            {"every": self._every, "epochs": self._epochs, "count": self._count},
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there; raises `CheckpointMismatch` where other rows were followed."""
        checkpoint.fill(losses=self._losses, sum=self._sum)
        facts = checkpoint.facts
        self._every, self._epochs, self._count = facts["every"], list(facts["epochs"]), facts["count"]


@dataclass(frozen=True)
class RowHistory:
    """What a model's file keeps of it."""

    epochs: NDArray[np.int64]  # (epochs,), 1-based
    rows: Indices  # (rows,), numbers in the table, from 0, ascending
    losses: NDArray[np.float32]  # (epochs, rows)
    answers: NDArray[np.float32]  # (rows, outputs), the mean over all epochs that were looked at
    looks: int  # how many these were

    def tensors(self) -> dict[str, NDArray[Any]]:
        """By their names in the file."""
        return {
            f"{OF_ROWS}answers": self.answers,
            f"{OF_ROWS}epochs": self.epochs,
            f"{OF_ROWS}looks": np.array([self.looks], np.int64),
            f"{OF_ROWS}losses": self.losses,
            f"{OF_ROWS}rows": self.rows.astype(np.int64),
        }

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> "RowHistory | None":
        """What the tensors of a file hold of it; None where that is nothing, or not what was written."""
        names = ("epochs", "rows", "losses", "answers", "looks")
        parts = [tensors.get(f"{OF_ROWS}{name}") for name in names]
        epochs, rows, losses, answers, looks = parts
        if epochs is None or rows is None or losses is None or answers is None or looks is None:
            return None
        shapes = losses.shape == (len(epochs), len(rows)) and answers.ndim == 2 and len(answers) == len(rows)
        whole = all(part.dtype == np.int64 and part.ndim == 1 for part in (epochs, rows, looks))
        if not shapes or not whole or not len(rows) or len(looks) != 1:
            return None
        return cls(epochs, rows, losses, answers, int(looks[0]))

    def places(self, numbers: Indices) -> tuple[Indices, NDArray[np.bool_]]:
        """Where rows of the table stand here, and which of them do."""
        places = np.minimum(np.searchsorted(self.rows, numbers), len(self.rows) - 1)
        return places, self.rows[places] == numbers
