"""Parts of rows by their numbers: pure functions, all randomness from a generator.

A part is (training, validation): two ascending arrays of row numbers that have none in common. What a figure of
scikit-learn's splitters promises holds here as well; the draws are other ones.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.encoding.split import Indices

Part = tuple[Indices, Indices]
"""Rows that train, rows that validate."""


class TooFew(ValueError):
    """There are not enough rows, groups or moments for the parts that were asked for."""


def k_fold(rows: int, folds: int, rng: np.random.Generator) -> list[Part]:
    """Every row validates once; the folds' sizes differ by at most 1. Raises `TooFew` for more folds than rows."""
    if folds > rows:
        raise TooFew(f"{rows} rows cannot be parted in {folds} folds")
    return _parts(_dealt(rng.permutation(rows), folds, 0), folds)


def stratified_k_fold(strata: ArrayLike, folds: int, rng: np.random.Generator) -> list[Part]:
    """The same where classes have equal shares too: in each fold n_c / folds of a class, rounded up or down.

    A class of a single row trains always and validates never. Raises `TooFew`.
    """
    _, classes, counts = np.unique(strata, return_inverse=True, return_counts=True)
    shared = int(counts[counts > 1].sum())
    if folds > shared:
        raise TooFew(f"{shared} rows of classes that have more than one cannot be parted in {folds} folds")
    fold_of = np.full(len(classes), -1)
    dealt = 0
    for label in np.flatnonzero(counts > 1):
        members = rng.permutation(np.flatnonzero(classes == label))
        fold_of[members] = (np.arange(len(members)) + dealt) % folds
        dealt += len(
            members
        )  # the next class goes on where this one ended, so that sizes differ by at most 1
    return _parts(fold_of, folds)


def group_k_fold(groups: ArrayLike, folds: int, rng: np.random.Generator) -> list[Part]:
    """Every row validates once, and no group has rows on both sides.

    The largest group goes to the smallest fold, and so on; equal ones in random order. Raises `TooFew` for more
    folds than groups.
    """
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if folds > len(counts):
        raise TooFew(f"{len(counts)} groups cannot be parted in {folds} folds")
    shuffled = rng.permutation(len(counts))
    sizes = np.zeros(folds, np.intp)
    fold_of_group = np.empty(len(counts), np.intp)
    for group in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        fold = sizes.argmin()
        fold_of_group[group] = fold
        sizes[fold] += counts[group]
    return _parts(fold_of_group[codes], folds)


def expanding_windows(
    times: NDArray[np.generic], folds: int, ends: NDArray[np.generic] | None = None
) -> list[Part]:
    """Parts in the order of time: each fold's training rows all lie before its validation rows.

    `ends`: where rows last for a time, when they end, not before their `times`. The last folds * (rows // (folds + 1))
    rows validate, window after window; what lies before a window trains. Rows of one moment never lie on both sides.
    Raises `TooFew` where a window has nothing before it.
    """
    rows = len(times)
    size = rows // (folds + 1)
    if size == 0:
        raise TooFew(f"{rows} rows cannot be parted in {folds} windows and what lies before them")
    order = np.argsort(times, kind="stable")
    starts = range(rows - folds * size, rows, size)
    return [_before(times, order[start : start + size], ends) for start in starts]


def group_split(groups: ArrayLike, fraction: float, rng: np.random.Generator) -> Part:
    """Random whole groups validate, until they have `fraction` of the rows or the next one would go too far.

    Raises `TooFew` for a single group.
    """
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise TooFew("all rows are of one group, so that none can validate")
    wanted = fraction * len(codes)
    drawn = rng.permutation(len(counts))[:-1]  # one group at least trains
    reached = np.cumsum(counts[drawn])
    taken = max(int(np.abs(reached - wanted).argmin()) + 1, 1)  # the number that comes nearest
    return _sides(np.isin(codes, drawn[:taken]))


def time_split(times: NDArray[np.generic], fraction: float, ends: NDArray[np.generic] | None = None) -> Part:
    """The last `fraction` of the rows validates; rows of one moment never lie on both sides.

    `ends`: as of `expanding_windows`; rows that have not ended when the first one that validates begins are on neither
    side. Raises `TooFew` where nothing lies before.
    """
    rows = len(times)
    wanted = min(max(round(fraction * rows), 1), rows - 1)
    return _before(times, np.argsort(times, kind="stable")[rows - wanted :], ends)


def _before(times: NDArray[np.generic], validation: Indices, ends: NDArray[np.generic] | None) -> Part:
    """What lies before `validation`, which is in the order of time."""
    first = times[validation[0]]
    training = np.flatnonzero((times if ends is None else ends) < first)
    if not len(training):
        raise TooFew(f"no row lies before {first}, the first moment that validates")
    return training, np.sort(validation)


def _dealt(order: Indices, folds: int, first: int) -> Indices:
    """The fold of each row, dealt in turn."""
    fold_of = np.empty(len(order), np.intp)
    fold_of[order] = (np.arange(len(order)) + first) % folds
    return fold_of


def _parts(fold_of: Indices, folds: int) -> list[Part]:
    return [_sides(fold_of == fold) for fold in range(folds)]


def _sides(validates: NDArray[np.bool_]) -> Part:
    return np.flatnonzero(~validates), np.flatnonzero(validates)
