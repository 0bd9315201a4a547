"""How much two columns say about each other. Arrays in, numbers out."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
"""Categories as numbers from 0."""
Numbers = NDArray[np.float64]

ROUNDING = 1e-12
"""A share of the variance below which a column is taken for constant."""


def pearson(x: Numbers, y: Numbers) -> float | None:
    """cov(x, y) / (sd(x) sd(y)), from -1 to 1; None where one of them is constant."""
    if not _varies(x) or not _varies(y):
        return None
    # Divided by their sizes first: squares of numbers such as 1e150 overflow.
    x, y = _scaled(x), _scaled(y)
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def cramers_v(a: Codes, b: Codes) -> float | None:
    """Cramér's V without its bias, from 0 to 1; None where one of them is constant.

    sqrt(phi2~ / min(r~ - 1, c~ - 1)) with phi2~ = max(0, chi2 / n - (r - 1)(c - 1) / (n - 1)) and
    r~ = r - (r - 1)^2 / (n - 1), c~ alike. Source: Bergsma 2013, A bias-correction for Cramér's V and Tschuprow's T.
    """
    n = len(a)
    if n < 2:
        return None
    table = _contingency(a, b)
    rows, columns = table.shape
    if rows < 2 or columns < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = float((np.square(table - expected) / expected).sum() / n)
    phi2 = max(0.0, phi2 - float(rows - 1) * (columns - 1) / (n - 1))
    width = min(float(k - (k - 1) ** 2 / (n - 1) - 1) for k in (rows, columns))
    # Where every row has a category of its own nothing is left to be explained.
    return min(sqrt(phi2 / width), 1.0) if width > 0 else None


def correlation_ratio(codes: Codes, x: Numbers) -> float | None:
    """The root of the variance of the categories' means over that of x, from 0 to 1; None where one is constant.

    Source: Pearson 1905, On the general theory of skew correlation (eta).
    """
    _, codes = np.unique(codes, return_inverse=True)
    counts = np.bincount(codes)
    if len(counts) < 2 or not _varies(x):
        return None
    x = _scaled(x)
    means = np.bincount(codes, weights=x) / counts
    return min(sqrt(float(counts @ np.square(means)) / float(x @ x)), 1.0)


def _contingency(a: Codes, b: Codes) -> Numbers:
    """Rows with each pair of categories, without categories that do not occur."""
    _, a = np.unique(a, return_inverse=True)
    values, b = np.unique(b, return_inverse=True)
    pairs = np.bincount(a * len(values) + b, minlength=(int(a.max()) + 1) * len(values))
    return pairs.reshape(-1, len(values)).astype(np.float64)


def _varies(x: Numbers) -> bool:
    """Whether x holds different values, beyond what rounding makes of equal ones."""
    if len(x) < 2:
        return False
    size = float(np.abs(x).max())
    return float(x.max() - x.min()) > ROUNDING * size


def _scaled(x: Numbers) -> Numbers:
    """x around its mean, at most about 1 in size."""
    x = x / np.abs(x).max()
    centered: Numbers = x - x.mean()
    return centered
