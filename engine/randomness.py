"""One seed, and every stream of random numbers that a training needs."""

import numpy as np


class Randomness:
    """Independent generators from one seed, so that one more draw here changes nothing there."""

    init: np.random.Generator  # draws the parameters
    split: np.random.Generator  # draws the validation rows
    dropout: np.random.Generator  # draws what layers need while training

    def __init__(self, seed: int) -> None:
        init, split, dropout, self._shuffle = np.random.SeedSequence(seed).spawn(4)
        self.init, self.split, self.dropout = map(np.random.default_rng, (init, split, dropout))

    def shuffle(self, epoch: int) -> np.random.Generator:
        """The generator of an epoch's batch order: a function of (seed, epoch); a resume needs no state."""
        key = (*self._shuffle.spawn_key, epoch)
        return np.random.default_rng(np.random.SeedSequence(self._shuffle.entropy, spawn_key=key))
