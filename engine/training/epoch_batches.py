"""The batches of every epoch: in the epoch's order, and mixed where the recipe says so."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from engine.checkpoint import Checkpoint
from engine.randomness import Randomness
from engine.training.examples import Batch, Examples
from engine.training.mixup import Mixup
from engine.training.shuffling import Shuffle
from engine.training.spec import TrainingSpec


class EpochBatches:
    """The order is a function of (seed, epoch); what mixup draws within an epoch is remembered."""

    def __init__(self, recipe: TrainingSpec, training: Examples, size: int, randomness: Randomness) -> None:
        """`size`: rows a batch."""
        self._training, self._size, self._randomness = training, size, randomness
        self._number = recipe.batches(len(training))
        # All rows at once need no shuffling.
        self._shuffle = None if recipe.optimizer.full_batch else Shuffle(recipe.shuffle, training, size)
        self._mixup = Mixup(recipe.mixup, training, size) if recipe.mixup else None
        self._mixing: np.random.Generator | None = None  # of the epoch that runs

    def of(self, epoch: int, skip: int = 0) -> Iterable[Batch]:
        """An epoch's batches; the first `skip` are left out, those before the checkpoint that was resumed."""
        plain: Iterator[Batch]
        if self._shuffle is None:
            plain = islice(self._training.batches(self._size), skip, None)
        else:
            plain = self._shuffle.batches(self._randomness.shuffle(epoch), skip)
        plain = islice(plain, self._number - skip)  # the last of all may be left out
        if self._mixup is None:
            return plain
        if not skip or self._mixing is None:
            self._mixing = self._randomness.mixup(epoch)
        mix, rng = self._mixup.mix, self._mixing
        return (mix(batch, rng) for batch in plain)

    def checkpoint(self) -> Checkpoint:
        """How far mixup has drawn in the epoch that runs."""
        return Checkpoint(facts={"mixing": self._mixing and self._mixing.bit_generator.state})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Let the epoch whose first batches are left out go on from there."""
        if checkpoint.facts["mixing"] is not None:
            self._mixing = np.random.default_rng()
            self._mixing.bit_generator.state = checkpoint.facts["mixing"]
