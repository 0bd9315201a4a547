"""Which rows train and which validate, and what a row of each class weighs."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.intp]


def split(
    rows: int, fraction: float, rng: np.random.Generator, strata: ArrayLike | None = None
) -> tuple[Indices, Indices]:
    """Draw a validation set of about `fraction` of `rows`: (training, validation) indices, both ascending.

    Each has at least one row. With `strata` (a label for each row) every class keeps its share, by largest
    remainder, and at least one training row: a class of a single row stays in training.
    Raises `ValueError` for fewer than 2 rows and for a fraction outside (0, 1).
    """
    if rows < 2:
        raise ValueError(f"a split needs at least 2 rows, got {rows}")
    if not 0 < fraction < 1:
        raise ValueError(f"the fraction must be above 0 and below 1, got {fraction}")
    wanted = min(max(round(fraction * rows), 1), rows - 1)
    classes = np.zeros(rows, np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
    counts = np.bincount(classes)
    if counts.max() == 1:  # nothing to keep a share of
        classes, counts = np.zeros(rows, np.intp), np.array([rows])
    validating = np.zeros(rows, bool)
    for label, share in enumerate(_shares(counts, wanted)):
        members = np.flatnonzero(classes == label)
        validating[rng.permutation(members)[:share]] = True
    return np.flatnonzero(~validating), np.flatnonzero(validating)


def _shares(counts: Indices, wanted: int) -> list[int]:
    """Hand out `wanted` rows in proportion to `counts`, by largest remainder; one row of each class stays."""
    most = counts - 1
    ideal = wanted * counts / counts.sum()
    shares = np.minimum(np.floor(ideal).astype(np.intp), most)
    left = min(wanted, int(most.sum())) - int(shares.sum())
    while left:
        open_classes = np.flatnonzero(shares < most)
        order = open_classes[np.argsort((shares - ideal)[open_classes], kind="stable")][:left]
        shares[order] += 1
        left -= len(order)
    return [int(share) for share in shares]


def balanced_weights(codes: Indices, classes: int) -> NDArray[np.float32]:
    """A weight for each of `classes`, such that all classes weigh the same: w_c = rows / (K rows_c).

    K is the number of classes that occur among `codes`; one that does not weighs 0. The rows' mean weight
    is 1. Source: King and Zeng 2001, Logistic Regression in Rare Events Data.
    """
    counts = np.bincount(codes, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(codes) / (np.count_nonzero(present) * counts[present])
    return weights
