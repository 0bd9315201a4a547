"""Accumulated local effects: what a change of one feature does, in rows that have about that value of it."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.scores import Indices, Values


class AccumulatedLocalEffectsSpec(ExplanationSpec):
    """The effect of a number or a date on the scores, from differences across narrow intervals of its values.

    Within each interval between quantiles only the rows that lie in it are moved from end to end, so no combination of
    values is made up; the differences are added up and centered, so that the mean effect on the rows is 0.
    """

    method: Literal["accumulated_local_effects"] = "accumulated_local_effects"
    feature: str = Field(description="The feature's name, of a number or a date.")
    intervals: int = Field(20, ge=1, le=200, description="Intervals between quantiles; equal ones are one.")

    formula = (
        r"ALE_j(v) = \sum_{k \le k(v)} \frac{1}{n_k} \sum_{i: x^{(i)}_j \in (z_{k-1}, z_k]} "
        r"\left[f(z_k, x^{(i)}_{-j}) - f(z_{k-1}, x^{(i)}_{-j})\right] - c"
    )
    source = "Apley & Zhu 2020, Visualizing the Effects of Predictor Variables in Black Box Supervised Learning Models"
    cost = "two forward passes a row"


def accumulated_local_effects(
    f: Callable[[Array], Values], x: Array, group: Indices, edges: Array, interval: Indices
) -> tuple[Values, Indices]:
    """The centered effect at each edge, (intervals + 1, scores), and the rows in each interval.

    x (rows, width); `edges` (intervals + 1, columns): how the columns in `group` encode the ends of the intervals;
    `interval`: that of each row. An interval without rows changes nothing.
    """
    intervals = len(edges) - 1
    low, high = x.copy(), x.copy()
    low[:, group] = edges[interval]
    high[:, group] = edges[interval + 1]
    differences = f(high) - f(low)
    counts = np.bincount(interval, minlength=intervals)
    sums = np.zeros((intervals, differences.shape[1]))
    np.add.at(sums, interval, differences)
    effects = np.zeros((intervals + 1, differences.shape[1]))
    np.cumsum(sums / np.maximum(counts, 1)[:, np.newaxis], axis=0, out=effects[1:])
    middles = (effects[:-1] + effects[1:]) / 2
    return effects - counts @ middles / counts.sum(), counts
