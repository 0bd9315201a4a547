"""One seed, and every stream of random numbers that a training needs."""

import numpy as np

_FOLDS, _MEMBERS, _APART, _SHARES, _FITTING = 1000, 1001, 1002, 1003, 1004
"""Keys of streams beside those that a seed spawns, whose keys count from 0."""


class Randomness:
    """Independent generators from one seed, so that one more draw here changes nothing there."""

    init: np.random.Generator  # draws the parameters
    apart: np.random.Generator  # draws the rows for test and calibration: the same for all members
    shares: np.random.Generator  # draws the training rows of a learning curve: the same for all members
    fitting: np.random.Generator  # draws the rows that encoders are fitted on: the same for all members
    split: np.random.Generator  # draws the validation rows
    dropout: np.random.Generator  # draws what layers need while training
    pretraining: np.random.Generator  # draws all that pretraining needs

    def __init__(self, seed: int, member: int | None = None) -> None:
        """`member`: the number of one of several networks, which has streams of its own."""
        # What all members share comes from `common`.
        common = np.random.SeedSequence(seed)
        self._folds = np.random.SeedSequence(seed, spawn_key=(_FOLDS,))
        self.apart = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_APART,)))
        self.shares = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SHARES,)))
        self.fitting = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_FITTING,)))
        own = common if member is None else np.random.SeedSequence(seed, spawn_key=(_MEMBERS, member))
        init, split, dropout, self._shuffle, pretraining, self._mixup = own.spawn(6)
        self.init, self.split, self.dropout = map(np.random.default_rng, (init, split, dropout))
        self.pretraining = np.random.default_rng(pretraining)

    def folds(self, repeat: int) -> np.random.Generator:
        """The generator that parts the rows in folds for the repeat of this number: the same for all members."""
        return _numbered(self._folds, repeat)

    def shuffle(self, epoch: int) -> np.random.Generator:
        """The generator of an epoch's batch order: a function of (seed, epoch); a resume needs no state."""
        return _numbered(self._shuffle, epoch)

    def mixup(self, epoch: int) -> np.random.Generator:
        """The generator of what mixup draws in an epoch: a function of (seed, epoch)."""
        return _numbered(self._mixup, epoch)


def _numbered(stream: np.random.SeedSequence, number: int) -> np.random.Generator:
    key = (*stream.spawn_key, number)
    return np.random.default_rng(np.random.SeedSequence(stream.entropy, spawn_key=key))
