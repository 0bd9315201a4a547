"""Permutation importance: how much worse the answers get when a feature's values are shuffled among the rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.scores import Indices, Values

Measure = Callable[[Array], float]
"""The loss of a model on encoded rows, in their order."""


class PermutationImportanceSpec(ExplanationSpec):
    """How much the loss grows when one feature's values are shuffled among rows that were not trained on.

    The loss is the log loss of classes and labels, the root mean squared error of values. A feature that stands in
    for another one takes its importance from it: both may seem unimportant.
    """

    method: Literal["permutation_importance"] = "permutation_importance"
    repeats: int = Field(5, ge=1, le=100, description="Shuffles of each feature, whose spread is told.")
    seed: int = Field(0, ge=0, lt=2**32, description="Draws the shuffles.")

    formula = (
        r"I_j = \frac{1}{R} \sum_{r=1}^{R} L(f, X^{(j, \pi_r)}) - L(f, X), \quad "
        r"X^{(j, \pi)}: \text{column } j \text{ in the order } \pi"
    )
    source = (
        "Breiman 2001, Random Forests, section 10; Fisher, Rudin & Dominici 2019, All Models are Wrong, but Many "
        "are Useful"
    )
    cost = "features times repeats forward passes a row"


@dataclass(frozen=True)
class Importances:
    """The growth of the loss by feature."""

    baseline: float
    means: Values  # (features,)
    stds: Values  # (features,) over the repeats
    grown: Values  # (features, repeats)


def permutation_importance(
    measure: Measure, x: Array, groups: Sequence[Indices], spec: PermutationImportanceSpec
) -> Importances:
    """The importance of each of `groups` of columns of x (rows, width)."""
    rng = np.random.default_rng(spec.seed)
    baseline = measure(x)
    grown = np.empty((len(groups), spec.repeats))
    for place, group in enumerate(groups):
        for repeat in range(spec.repeats):
            shuffled = x.copy()
            shuffled[:, group] = x[np.ix_(rng.permutation(len(x)), group)]
            grown[place, repeat] = measure(shuffled) - baseline
    return _of(baseline, grown)


def together(found: Sequence[Importances], rows: Sequence[int]) -> Importances:
    """The mean of what several models say, each of so many rows of its own, by these."""
    baseline = float(np.average([one.baseline for one in found], weights=rows))
    return _of(baseline, np.average([one.grown for one in found], axis=0, weights=rows))


def _of(baseline: float, grown: Values) -> Importances:
    return Importances(baseline, grown.mean(axis=1), grown.std(axis=1), grown)
