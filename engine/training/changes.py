"""Changes of a running training, and the steps at which they took effect, so that a replay is exact."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import Field, PositiveInt

from engine.checkpoint import Checkpoint
from engine.spec import InvalidSpec, Spec
from engine.training.spec import TrainingSpec


class Changes(Spec):
    """What may change while a training runs; what is left out stays."""

    learning_rate: float | None = Field(
        None, gt=0, le=1000, description="The optimizer's learning rate, which the schedule multiplies."
    )
    patience: PositiveInt | None = Field(
        None, le=1_000_000, description="Epochs without a better validation loss after which training ends."
    )
    epochs: PositiveInt | None = Field(
        None, le=1_000_000, description="Passes over the training rows, at most, those done included."
    )

    def check(self, recipe: TrainingSpec) -> None:
        """Raise `InvalidSpec` at what makes no sense under `recipe`."""
        if self.patience is not None and recipe.early_stopping is None:
            raise InvalidSpec("there is no early stopping whose patience could change", ("patience",))


class Applied(NamedTuple):
    """Changes that took effect."""

    step: int  # steps done before
    changes: Changes


class ChangeLog:
    """Changes that wait for their step, and those that have taken effect."""

    def __init__(self) -> None:
        self.applied: list[Applied] = []
        self._asked: list[Changes] = []
        self._recorded: list[Applied] = []  # by their steps
        self.waiting = False  # whether there are changes that have not taken effect

    def ask(self, changes: Changes) -> None:
        """Let them take effect before the next step."""
        self._asked.append(changes)
        self.waiting = True

    def replay(self, recorded: Sequence[tuple[int, Changes]], step: int) -> None:
        """Let recorded changes take effect at their steps again, those apart that have been applied.

        Raises `ValueError` for one that belongs before `step`, the steps done.
        """
        known = list(self.applied)
        for change in sorted((Applied(*each) for each in recorded), key=lambda each: each.step):
            if change in known:
                known.remove(change)
            elif change.step < step:
                raise ValueError(f"the change at step {change.step} comes too late: {step} steps are done")
            else:
                self._recorded.append(change)
                self.waiting = True

    def take(self, step: int) -> Iterator[Changes]:
        """Those that take effect now that `step` steps are done, first the recorded ones."""
        while self._recorded and self._recorded[0].step <= step:
            yield self._note(step, self._recorded.pop(0).changes)
        while self._asked:
            yield self._note(step, self._asked.pop(0))
        self.waiting = bool(self._recorded)

    def _note(self, step: int, changes: Changes) -> Changes:
        self.applied.append(Applied(step, changes))
        return changes

    def checkpoint(self) -> Checkpoint:
        """Those that have taken effect."""
        return Checkpoint(facts={"applied": [(step, each.model_dump()) for step, each in self.applied]})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Know what had taken effect."""
        self.applied = [
            Applied(step, Changes.model_validate(each)) for step, each in checkpoint.facts["applied"]
        ]
