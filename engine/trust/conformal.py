"""Split-conformal prediction: sets of classes and intervals that hold the truth as often as they say.

From n rows that nothing else has seen (the calibration rows) each gets a score s, large where the model was far
off. q = the ceil((n + 1) c)-th smallest score; a new row's answer holds all that scores at most q. It holds
the truth with probability c or more, and at most c + 1 / (n + 1) where no scores are equal, whatever the model, if
the new row is drawn like the calibration rows. Where (n + 1) c > n no score is large enough: q is infinite.

    classes   s = 1 - p(true class)       the set {k: p(k) >= 1 - q}        LAC: the smallest sets on average
    values    s = |truth - answer|        the interval answer -+ q

The coverage is that over all rows together, not within a class or a region. An empty set is possible: no class is
probable enough, the row is unlike what the model has seen.

Sources: Vovk, Gammerman & Shafer 2005, Algorithmic learning in a random world; Lei, G'Sell, Rinaldo, Tibshirani
& Wasserman 2018, Distribution-free predictive inference for regression, section 2.2; Sadinle, Lei & Wasserman 2019,
Least ambiguous set-valued classifiers with bounded error levels.
"""

import math

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]


def rank(rows: int, coverage: float) -> int:
    """Which of `rows` sorted scores, counted from 1, is q; above `rows`: none, q is infinite.

    ceil((rows + 1) coverage), in which a coverage as 0.9 is taken for nine tenths and not for the float above it.
    """
    return math.ceil(round((rows + 1) * coverage, 9))


def threshold(scores: Figures, coverage: float) -> float:
    """q of sorted `scores` (rows,); infinite where they are too few for the coverage."""
    place = rank(len(scores), coverage)
    return float(scores[place - 1]) if place <= len(scores) else math.inf


def least_rows(coverage: float) -> int:
    """How many calibration rows a finite q needs."""
    rows = math.ceil(round(coverage / (1 - coverage), 9))
    return max(rows, 1)


def class_scores(p: Figures, codes: NDArray[np.intp]) -> Figures:
    """Sorted scores of rows with probabilities `p` (rows, classes) whose true classes are `codes` (rows,)."""
    return np.sort(1 - p[np.arange(len(p)), codes])


def in_set(p: Figures, q: float) -> NDArray[np.bool_]:
    """Which classes are in each row's set: scores 1 - p (rows, classes) of at most `q`."""
    held: NDArray[np.bool_] = (1 - p) <= q
    return held


def value_scores(answers: Figures, truth: Figures) -> Figures:
    """Sorted scores |truth - answer| of each target: both (rows, targets), so is the result."""
    return np.sort(np.abs(truth - answers), axis=0)
