"""One seed, and every stream of random numbers that a training needs."""

import numpy as np


class Randomness:
    """Independent generators from one seed, so that one more draw here changes nothing there."""

    init: np.random.Generator  # draws the parameters
    split: np.random.Generator  # draws the validation rows
    dropout: np.random.Generator  # draws what layers need while training
    pretraining: np.random.Generator  # draws all that pretraining needs

    def __init__(self, seed: int) -> None:
        init, split, dropout, self._shuffle, pretraining, self._mixup = np.random.SeedSequence(seed).spawn(6)
        self.init, self.split, self.dropout = map(np.random.default_rng, (init, split, dropout))
        self.pretraining = np.random.default_rng(pretraining)

    def shuffle(self, epoch: int) -> np.random.Generator:
        """The generator of an epoch's batch order: a function of (seed, epoch); a resume needs no state."""
        return _of_epoch(self._shuffle, epoch)

    def mixup(self, epoch: int) -> np.random.Generator:
        """The generator of what mixup draws in an epoch: a function of (seed, epoch)."""
        return _of_epoch(self._mixup, epoch)


def _of_epoch(stream: np.random.SeedSequence, epoch: int) -> np.random.Generator:
    key = (*stream.spawn_key, epoch)
    return np.random.default_rng(np.random.SeedSequence(stream.entropy, spawn_key=key))
