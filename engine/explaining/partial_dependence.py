"""Partial dependence: the mean score of all rows when one feature has the same value in each."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.scores import Indices, Values


class PartialDependenceSpec(ExplanationSpec):
    """The mean scores of the data's rows as one feature takes one value after the other in all of them.

    It shows combinations of values that may never occur; where features go together, accumulated local effects do not.
    """

    method: Literal["partial_dependence"] = "partial_dependence"
    feature: str = Field(description="The feature's name.")
    points: int = Field(20, ge=2, le=200, description="Values of a number or a date, at its quantiles.")

    formula = r"PD_j(v) = \frac{1}{n} \sum_{i=1}^{n} f(v, x^{(i)}_{-j})"
    source = "Friedman 2001, Greedy Function Approximation: A Gradient Boosting Machine, section 8.2"
    cost = "one forward pass a row and value"


def partial_dependence(
    f: Callable[[Array], Values], x: Array, group: Indices, values: Array
) -> tuple[Values, Values]:
    """Mean and standard deviation over the rows for each value, both (values, scores).

    x (rows, width); `values` (values, columns): how the columns in `group` encode each value.
    """
    means, stds = [], []
    changed = x.copy()
    for value in values:
        changed[:, group] = value
        scores = f(changed)
        means.append(scores.mean(axis=0))
        stds.append(scores.std(axis=0))
    return np.stack(means), np.stack(stds)
