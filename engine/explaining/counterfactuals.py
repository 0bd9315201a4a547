"""Counterfactuals: the smallest change of a record, in few features, that changes what is predicted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, StrictBool, StrictInt, StrictStr

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.scores import Indices, Values

LARGEST = 1e150
TIE = 1e-12
"""By how much more probable a class must be than the others."""
BEAM = 5
"""Unfinished changes that are carried on from one number of features to the next."""


class CounterfactualsSpec(ExplanationSpec):
    """The nearest records, over values that occur in the data, for which the model predicts something else.

    A greedy (beam) search changes one feature after the other: the fewest features first, then the smallest
    distance. Numbers and dates count by their distance in median absolute deviations, anything else as 1.
    """

    method: Literal["counterfactuals"] = "counterfactuals"
    desired: StrictStr | StrictInt | StrictBool | None = Field(
        None,
        description="The class to be predicted, or the label to be turned over; left out, any other class.",
    )
    at_least: float | None = Field(None, ge=-LARGEST, description="For values: what is to be reached.")
    at_most: float | None = Field(None, ge=-LARGEST, description="For values: what is not to be exceeded.")
    max_features: int = Field(3, ge=1, le=10, description="Features that may change.")
    fixed: tuple[str, ...] = Field((), description="Features that must stay as they are.")
    count: int = Field(3, ge=1, le=20, description="Counterfactuals for each record, of different features.")
    values: int = Field(20, ge=2, le=200, description="Values of each feature that are tried.")

    formula = (
        r"\operatorname*{arg\,min}_{x'} \lVert x' - x \rVert_0, \text{ then } "
        r"\sum_j \frac{|x'_j - x_j|}{MAD_j}, \quad \text{such that } f(x') \in \text{goal}"
    )
    source = (
        "Wachter, Mittelstadt & Russell 2017, Counterfactual Explanations Without Opening the Black Box (distance); "
        "Martens & Provost 2014, Explaining Data-Driven Document Classifications (the best-first search)"
    )
    cost = "features times values times up to 5 forward passes a record and changed feature"


@dataclass(frozen=True)
class Candidates:
    """The values that one feature may take instead."""

    columns: Indices  # of the encoded row
    encoded: Array  # (values, columns)
    distances: Values  # (values,) from the record's own value


@dataclass(frozen=True)
class Change:
    """A record with some features changed."""

    choices: tuple[tuple[int, int], ...]  # (feature, which of its candidates)
    distance: float
    margin: float  # how far in the goal it is; not negative: reached


def counterfactuals(
    margin: Callable[[Array], Values], row: Array, features: Sequence[Candidates], most: int, count: int
) -> list[Change]:
    """Up to `count` changes of row (width,) that reach the goal, the fewest features, then the nearest first.

    `margin`: of encoded rows, how far they are in the goal, where 0 has reached it; `most`: features that may change.
    Of changes of the same features only the nearest is told, and none of more features than do by themselves. Empty
    where none was found.
    """
    states = [Change((), 0.0, float(margin(row[np.newaxis])[0]))]
    found: dict[frozenset[int], Change] = {}
    for _ in range(most):
        changes = _changed(margin, row, features, states)
        for change in changes:
            own = frozenset(feature for feature, _ in change.choices)
            if change.margin < 0 or any(known < own for known in found):  # or fewer features do
                continue
            if own not in found or change.distance < found[own].distance:
                found[own] = change
        if len(found) >= count:
            break
        open_changes = [change for change in changes if change.margin < 0]
        states = _best_of_different(open_changes)
        if not states:
            break
    return sorted(found.values(), key=lambda change: (len(change.choices), change.distance))[:count]


def changed_row(row: Array, features: Sequence[Candidates], choices: Sequence[tuple[int, int]]) -> Array:
    """The row with the candidates that `choices` name."""
    changed = row.copy()
    for feature, value in choices:
        changed[features[feature].columns] = features[feature].encoded[value]
    return changed


def _changed(
    margin: Callable[[Array], Values], row: Array, features: Sequence[Candidates], states: Sequence[Change]
) -> list[Change]:
    """Every change of one more feature."""
    choices: dict[tuple[tuple[int, int], ...], float] = {}
    for state in states:
        taken = {feature for feature, _ in state.choices}
        for feature, candidates in enumerate(features):
            if feature in taken:
                continue
            for value, distance in enumerate(candidates.distances.tolist()):
                if distance > 0:
                    choices[tuple(sorted((*state.choices, (feature, value))))] = state.distance + distance
    if not choices:
        return []
    margins = margin(np.stack([changed_row(row, features, one) for one in choices]))
    return [
        Change(one, distance, reached)
        for (one, distance), reached in zip(choices.items(), margins.tolist(), strict=True)
    ]


def _best_of_different(changes: Sequence[Change]) -> list[Change]:
    """The changes that come nearest to the goal, each of other features."""
    best: dict[frozenset[int], Change] = {}
    for change in sorted(changes, key=lambda change: -change.margin):
        best.setdefault(frozenset(feature for feature, _ in change.choices), change)
        if len(best) == BEAM:
            break
    return list(best.values())


def ordinal_margin(scores: Array, predicted: int, desired: int | None) -> Values:
    """How far the median class is from being the desired one; without one, from being any other than the predicted.

    Class k is the median where P(at most k) is at least 1/2 and P(below k) is less (`ClassTarget.winners`).
    """
    k = predicted if desired is None else desired
    below, up_to = scores[:, :k].sum(axis=1), scores[:, : k + 1].sum(axis=1)
    if k == scores.shape[1] - 1:
        up_to = np.ones(len(scores))
    inside: Values = np.minimum(up_to - 0.5, 0.5 - below)
    return (-inside if desired is None else inside) - TIE


def class_margin(scores: Array, predicted: int, desired: int | None) -> Values:
    """How much more probable the desired class is than any other; without one, any other than the predicted."""
    if desired is None:
        others = np.delete(scores, predicted, axis=1).max(axis=1)
        by_any: Values = others - scores[:, predicted] - TIE
        return by_any
    others = np.delete(scores, desired, axis=1).max(axis=1)
    margin: Values = scores[:, desired] - others - TIE
    return margin
