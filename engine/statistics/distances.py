"""How far two samples of one column are apart. Arrays in, numbers out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]

PSEUDOCOUNT = 0.5
"""Added to every bin, so that an empty one does not make the index infinite."""
NORMAL_99 = 2.3263478740408408
"""The 0.99 quantile of the standard normal distribution."""


def stability_index(counts: Counts, reference: Counts) -> float:
    """The population stability index of counts in the same bins, (bins,) both.

    sum_i (p_i - q_i) ln(p_i / q_i), p and q the shares after half a row was added to each bin.
    Source: Kullback & Leibler 1951, the symmetric divergence J; as PSI: Siddiqi 2006, Credit Risk Scorecards.
    """
    p, q = _smoothed(counts), _smoothed(reference)
    return float(((p - q) * np.log(p / q)).sum())


def _smoothed(counts: Counts) -> Numbers:
    raised = counts.astype(np.float64) + PSEUDOCOUNT
    shares: Numbers = raised / raised.sum()
    return shares


def index_by_chance(rows: int, reference_rows: int, bins: int) -> float:
    """What the index stays below in 99 of 100 pairs of samples of one distribution.

    (1/n + 1/m) times the 0.99 quantile of chi squared with bins - 1 degrees of freedom (Yurdakul 2018, Statistical
    Properties of Population Stability Index), that one by Wilson & Hilferty 1931.
    """
    k = max(bins - 1, 1)
    quantile = k * (1 - 2 / (9 * k) + NORMAL_99 * np.sqrt(2 / (9 * k))) ** 3
    return float(quantile * (1 / rows + 1 / reference_rows))


def kolmogorov_smirnov(values: Numbers, reference: Numbers) -> float:
    """max_x |F(x) - G(x)|, F and G the shares of values up to x."""
    values, reference = np.sort(values), np.sort(reference)
    places = np.concatenate([values, reference])
    f = np.searchsorted(values, places, side="right") / len(values)
    g = np.searchsorted(reference, places, side="right") / len(reference)
    return float(np.abs(f - g).max())


def total_variation(counts: Counts, reference: Counts) -> float:
    """sum_i |p_i - q_i| / 2, p and q the shares of each category, (categories,) both."""
    return float(np.abs(counts / counts.sum() - reference / reference.sum()).sum() / 2)


def shares_differ(count: int, rows: int, reference: int, reference_rows: int) -> bool:
    """Whether two shares differ by more than 99 of 100 pairs of samples of one population would, or about so.

    The test of two proportions with their common variance.
    """
    common = (count + reference) / (rows + reference_rows)
    deviation = np.sqrt(common * (1 - common) * (1 / rows + 1 / reference_rows))
    return bool(abs(count / rows - reference / reference_rows) > NORMAL_99 * deviation)


def in_bins(values: NDArray[Any], edges: NDArray[Any]) -> Counts:
    """Values in each of the bins up to the first edge, between edges and from the last one on."""
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return counts.astype(np.int64)
