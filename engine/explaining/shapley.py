"""Shapley values of features: exact over all coalitions, or by a regression over some (kernel SHAP).

The value of a coalition S is the mean score of rows that have the features in S from the record and all
others from a background row: v(S) = mean over b of F(x_S, b_rest).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.scores import Indices, Values

EXACT_AT_MOST = 10
"""Features up to which all coalitions are counted."""
ROWS_AT_ONCE = 16_384

Masks = NDArray[np.bool_]


class ShapleySpec(ExplanationSpec):
    """Attributions that add up to the difference between a row's score and the background's mean score.

    Exact with at most 10 features. With more, kernel SHAP: the weighted least squares over coalitions, the small and
    large ones in full and the others drawn with their complements, under the constraint that the sum is right.
    """

    method: Literal["shapley"] = "shapley"
    coalitions: int | None = Field(
        None,
        ge=16,
        le=100_000,
        description="Coalitions of kernel SHAP; left out, 2 for each feature and 2,048. All where that is more.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Draws the coalitions.")

    formula = (
        r"\phi_i = \sum_{S \subseteq M \setminus i} \frac{|S|! \, (|M| - |S| - 1)!}{|M|!} "
        r"(v(S \cup i) - v(S)), \quad v(S) = \frac{1}{B} \sum_b F(x_S, b_{M \setminus S}); \quad "
        r"\pi(S) = \frac{|M| - 1}{\binom{|M|}{|S|} |S| (|M| - |S|)}"
    )
    source = (
        "Shapley 1953, A Value for n-Person Games; Lundberg & Lee 2017, A Unified Approach to Interpreting Model "
        "Predictions, theorem 2; Covert & Lee 2021, Improving KernelSHAP (paired sampling)"
    )
    cost = "2^features (exact) or 2 features + 2,048 (kernel) forward passes a record and background row"


@dataclass(frozen=True)
class ShapleyValues:
    """What each feature did to each score of one record."""

    values: Values  # (features, scores)
    score: Values  # (scores,) v of all features: F(x)
    base: Values  # (scores,) v of none: the background's mean
    coalitions: int
    exact: bool


def shapley(
    f: Callable[[Array], Values], row: Array, background: Array, groups: Sequence[Indices], spec: ShapleySpec
) -> ShapleyValues:
    """The Shapley values of one record, row (width,), against background (rows, width).

    `groups`: the columns of each feature. Exact for at most 10 features, otherwise kernel SHAP.
    """
    features = len(groups)
    if features <= EXACT_AT_MOST:
        masks = (np.arange(2**features)[:, np.newaxis] >> np.arange(features)) & 1 == 1
        values = coalition_values(f, row, background, groups, masks)
        return ShapleyValues(exact_values(values), values[-1], values[0], len(masks), exact=True)
    masks, weights = draw_coalitions(features, spec.coalitions, np.random.default_rng(spec.seed))
    ends = np.stack([np.zeros(features, bool), np.ones(features, bool)])
    values = coalition_values(f, row, background, groups, np.concatenate([ends, masks]))
    base, score = values[0], values[1]
    phi = constrained_regression(masks, weights, values[2:] - base, score - base)
    return ShapleyValues(phi, score, base, 2 + len(masks), exact=len(masks) == 2**features - 2)


def coalition_values(
    f: Callable[[Array], Values], row: Array, background: Array, groups: Sequence[Indices], masks: Masks
) -> Values:
    """v of each coalition, masks (coalitions, features) -> (coalitions, scores)."""
    width, count = len(row), len(background)
    columns = np.zeros((len(groups), width), bool)
    for place, group in enumerate(groups):
        columns[place, group] = True
    at_once = max(1, ROWS_AT_ONCE // count)
    parts = []
    for start in range(0, len(masks), at_once):
        taken = masks[start : start + at_once] @ columns
        rows = np.where(taken[:, np.newaxis], row, background[np.newaxis])
        scores = f(rows.reshape(-1, width))
        parts.append(scores.reshape(len(taken), count, -1).mean(axis=1))
    return np.concatenate(parts)


def exact_values(values: Values) -> Values:
    """The Shapley values from v of all coalitions, whose numbers in binary say who is in them."""
    features = len(values).bit_length() - 1
    numbers = np.arange(len(values))
    sizes = np.array([number.bit_count() for number in range(len(values))])
    phi = []
    for feature in range(features):
        without = numbers[(numbers >> feature) & 1 == 0]
        weights = np.array([1 / (features * comb(features - 1, size)) for size in sizes[without]])
        phi.append(weights @ (values[without | 1 << feature] - values[without]))
    return np.stack(phi)


def draw_coalitions(features: int, wanted: int | None, rng: np.random.Generator) -> tuple[Masks, Values]:
    """About `wanted` coalitions, neither none nor all, with their weights in the regression.

    Sizes are taken from the outside in, each with its complement: in full while there is room, which is where
    the weight is; what is left is drawn in pairs of a coalition and its complement.
    """
    room = 2 * features + 2048 if wanted is None else wanted
    counted: dict[bytes, float] = {}
    open_sizes: list[tuple[int, float]] = []
    for size in range(1, features // 2 + 1):
        paired = [size] if 2 * size == features else [size, features - size]
        weight = (features - 1) / (size * (features - size))  # of all coalitions of one of these sizes
        number = comb(features, size)
        if not open_sizes and number * len(paired) <= room:
            room -= number * len(paired)
            for one in paired:
                for members in combinations(range(features), one):
                    counted[_mask(features, members).tobytes()] = weight / number
        else:
            open_sizes.append((size, weight * len(paired)))
    if open_sizes:
        counted |= _drawn(features, open_sizes, max(room // 2, 1), rng)
    masks = np.stack([np.frombuffer(mask, bool) for mask in counted])
    return masks, np.array(list(counted.values()))


def _drawn(
    features: int, sizes: Sequence[tuple[int, float]], pairs: int, rng: np.random.Generator
) -> dict[bytes, float]:
    """Pairs of coalitions of these sizes; together they weigh what all coalitions of the sizes do."""
    weights = np.array([weight for _, weight in sizes])
    drawn = rng.choice([size for size, _ in sizes], pairs, p=weights / weights.sum())
    each = float(weights.sum()) / (2 * pairs)
    counted: dict[bytes, float] = {}
    for size in drawn.tolist():
        mask = _mask(features, rng.choice(features, size, replace=False))
        for one in (mask.tobytes(), (~mask).tobytes()):
            counted[one] = counted.get(one, 0.0) + each
    return counted


def _mask(features: int, members: Sequence[int] | NDArray[np.int64]) -> Masks:
    mask = np.zeros(features, bool)
    mask[list(members)] = True
    return mask


def constrained_regression(masks: Masks, weights: Values, values: Values, total: Values) -> Values:
    """The phi that minimise sum_S w_S (v(S) - sum_{i in S} phi_i)^2 with sum_i phi_i = total.

    values (coalitions, scores) and total (scores,) are differences to v of none; phi is (features, scores).
    The last feature's phi is put as total minus all others'.
    """
    last = masks[:, -1:].astype(np.float64)
    design = masks[:, :-1] - last
    root = np.sqrt(weights)[:, np.newaxis]
    others = np.linalg.lstsq(root * design, root * (values - last * total), rcond=None)[0]
    return np.concatenate([others, (total - others.sum(axis=0))[np.newaxis]])
