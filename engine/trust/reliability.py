"""Whether rows that are given a probability of 80 % come true in 80 % of the cases."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

Figures = NDArray[np.float64]

BINS = 10


class CalibrationBin(BaseModel):
    """The rows whose probability is in one of the bins of equal width; bins without rows are left out."""

    low: float
    high: float = Field(description="The bin holds its upper edge.")
    rows: int
    predicted: float = Field(description="Mean probability of the rows.")
    observed: float = Field(description="Share of the rows in which it came true.")


class Reliability(BaseModel):
    """The calibration curve: two classes: the positive one's; more: the most probable class'; labels: all in one."""

    of: str = Field(description="Whose probability: positive_class, most_probable_class or all_labels.")
    ece: float = Field(
        description="Expected calibration error: sum over bins of rows / all |observed - predicted|."
    )
    max_error: float = Field(description="The largest |observed - predicted| of a bin.")
    bins: list[CalibrationBin]


def reliability(p: Figures, came_true: NDArray[np.bool_], of: str, bins: int = BINS) -> Reliability:
    """Compare probabilities `p` (rows,) with what came true (rows,), in `bins` of equal width; at least one row.

    Source: Naeini, Cooper & Hauskrecht 2015, Obtaining well calibrated probabilities using Bayesian binning; of the
    predicted class: Guo et al. 2017, equation 3. A p on an edge belongs to the bin below it.
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], p)
    counts = np.bincount(place, minlength=bins)
    filled = np.flatnonzero(counts)
    predicted = np.bincount(place, p, bins)[filled] / counts[filled]
    observed = np.bincount(place, came_true, bins)[filled] / counts[filled]
    gaps = np.abs(observed - predicted)
    return Reliability(
        of=of,
        ece=float(np.average(gaps, weights=counts[filled])),
        max_error=float(gaps.max()),
        bins=[
            CalibrationBin(
                low=float(edges[bin_]),
                high=float(edges[bin_ + 1]),
                rows=int(counts[bin_]),
                predicted=float(predicted[i]),
                observed=float(observed[i]),
            )
            for i, bin_ in enumerate(filled)
        ],
    )
