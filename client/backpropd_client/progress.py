"""How far a training is, as a line of text or for a callback."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from backpropd_client.core.events import Event
from backpropd_client.resources import JobFields

CLEAR = "\r\x1b[K"
"""What takes a terminal back to the beginning of an empty line."""


@dataclass(frozen=True)
class Progress:
    """The newest epoch of a training."""

    epoch: int
    epochs: int
    train_loss: float | None
    validation_loss: float | None
    learning_rate: float
    seconds: float
    """Since the training began."""
    eta_seconds: float
    """That all remaining epochs take at this speed; early stopping may end it sooner."""
    metrics: dict[str, float | None]

    def __str__(self) -> str:
        losses = [f"loss {self.train_loss:.4g}"] if self.train_loss is not None else []
        if self.validation_loss is not None:
            losses.append(f"validation {self.validation_loss:.4g}")
        return "  ".join([f"epoch {self.epoch}/{self.epochs}", *losses, f"eta {self.eta_seconds:.0f} s"])


Callback = Callable[[Progress], object]


class Watch:
    """Tells somebody of a job's events: a callback, a line on a terminal (True), or nobody (False)."""

    def __init__(self, job: JobFields, progress: bool | Callback) -> None:
        training = job.data["training"]
        self._epochs = int(training["epochs"]) * int(training.get("members", 1))
        self._tell: Callback | None = None
        self._line: ProgressLine | None = None
        if callable(progress):
            self._tell = progress
        elif progress:
            self._line = ProgressLine(sys.stderr)
            self._tell = self._line.show

    def see(self, event: Event) -> None:
        """Take an event."""
        if event.kind == "epoch" and event.data["points"] and self._tell is not None:
            self._tell(progress_at(event.data["points"][-1], self._epochs))
        if self._line is None:
            return
        if event.kind == "finding":
            self._line.note(f"{event.data['severity']}: {event.data['title']}")
        if event.kind == "done":
            self._line.end(str(event.data["status"]))


def progress_at(point: dict[str, Any], epochs: int) -> Progress:
    """The progress at a point of the history."""
    epoch = int(point["epoch"])
    return Progress(
        epoch=epoch,
        epochs=epochs,
        train_loss=point["train_loss"],
        validation_loss=point["validation_loss"],
        learning_rate=point["learning_rate"],
        seconds=point["seconds"],
        eta_seconds=point["seconds"] / epoch * max(epochs - epoch, 0),
        metrics=point["metrics"],
    )


class ProgressLine:
    """One line that is written over; where the output is no terminal, a line every `EVERY_SECONDS`."""

    EVERY_SECONDS = 10.0

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._over = CLEAR if output.isatty() else ""
        self._last = -self.EVERY_SECONDS
        self._shown: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Say how far it is."""
        self._shown = progress
        if self._over:
            self._output.write(f"{self._over}{progress}")
        elif time.monotonic() - self._last >= self.EVERY_SECONDS:
            self._last = time.monotonic()
            self._output.write(f"{progress}\n")
        self._output.flush()

    def note(self, text: str) -> None:
        """Say something that stays, above the line."""
        self._output.write(f"{self._over}{text}\n")
        self._output.flush()

    def end(self, status: str) -> None:
        """Say how it ended."""
        self.note(status + ("" if self._shown is None else f"  {self._shown}".rpartition("  eta")[0]))
