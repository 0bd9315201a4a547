"""How good answers are on parts of the rows, and on which parts they are worst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from engine.encoding.description import Label
from engine.tasks import Task
from engine.trust.scores import row_losses, scores

Figures = NDArray[np.float64]

WORST = 5
LEAST_ROWS = 10
"""Rows that a slice needs to be among the worst."""
CLEARLY = 2.0
"""How many standard errors the loss of one of the worst slices lies above that of the other rows, at least."""


@dataclass(frozen=True)
class Part:
    """Rows that have a feature's value in common."""

    feature: str
    value: Label | None  # None where it is missing, or where the bounds say it
    low: float | None  # of numbers: low <= value, and
    high: float | None  # value < high; both None where there is no bound
    rows: NDArray[np.bool_]


class Slice(BaseModel):
    """The rows with one value of a feature, or with values between two bounds."""

    feature: str
    value: Label | None = Field(description="Of categories; null together with both bounds: missing.")
    low: float | None = Field(description="Numbers of at least this; null: no bound.")
    high: float | None = Field(description="Numbers below this; null: no bound.")
    rows: int
    scores: dict[str, float] = Field(description="As for all rows.")
    excess: float | None = Field(
        description="By how many standard errors the mean loss of these rows is above that of all others "
        "(Welch's t); null where either are fewer than 2 or do not vary."
    )


class Slices(BaseModel):
    """Scores by the values of each feature."""

    slices: list[Slice]
    worst: list[Slice] = Field(
        description=f"Up to {WORST} of at least {LEAST_ROWS} rows that are clearly worse than the others "
        f"(excess above {CLEARLY:g}), the clearest first."
    )


def slices(parts: Sequence[Part], answers: Figures, truth: Figures, task: Task) -> Slices:
    """Score each part of the rows; answers and truth (rows, outputs). Parts without rows are left out.

    The order of the worst is that of Slice Finder: Chung, Kraska, Polyzotis, Tae & Whang 2019, Slice finder: automated
    data slicing for model validation, section 2.3.
    """
    losses = row_losses(answers, truth, task)
    found = [
        Slice(
            feature=part.feature,
            value=part.value,
            low=part.low,
            high=part.high,
            rows=int(part.rows.sum()),
            scores=scores(answers[part.rows], truth[part.rows], task),
            excess=_excess(losses[part.rows], losses[~part.rows]),
        )
        for part in parts
        if part.rows.any()
    ]
    worse = [(each.excess, each) for each in found if each.excess is not None and each.excess > CLEARLY]
    worse = [pair for pair in worse if pair[1].rows >= LEAST_ROWS]
    worse.sort(key=lambda pair: -pair[0])
    return Slices(slices=found, worst=[each for _, each in worse[:WORST]])


def _excess(inside: Figures, outside: Figures) -> float | None:
    """t = (mean inside - mean outside) / sqrt(var inside / n inside + var outside / n outside)."""
    if min(len(inside), len(outside)) < 2:
        return None
    error = np.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    return float((inside.mean() - outside.mean()) / error) if error > 0 else None
