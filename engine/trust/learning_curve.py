"""The learning curve: how the score moves with the number of rows that train."""

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, Field

from engine.encoding.split import Indices

LEAST_ROWS = 10
"""A share of fewer rows is not trained on."""
MOST_TRAINING_ROWS = 10_000
"""Rows of a share that its network is scored on, evenly spread: to see how far it has learned them by heart."""


class CurvePoint(BaseModel):
    """A network that was trained on a share of the training rows."""

    share: float
    rows: int
    epochs: int = Field(description="That were trained.")
    training: dict[str, float] = Field(
        description=f"Scores on the rows that trained, on at most {MOST_TRAINING_ROWS:,} of them."
    )
    validation: dict[str, float] = Field(description="Scores on all validation rows, the leading one first.")


class SkippedShare(BaseModel):
    """A share without a point."""

    share: float
    reason: str


class LearningCurve(BaseModel):
    """Scores by the share of the training rows: whether more rows would help.

    Each share holds those before it. Encoders and target are the model's, fitted on all training rows.
    """

    points: list[CurvePoint] = Field(description="From few rows to many.")
    skipped: list[SkippedShare]


def nested_order(rows: int, rng: np.random.Generator, strata: ArrayLike | None = None) -> Indices:
    """An order of so many rows whose every beginning is drawn from all of them.

    With `strata`, a label for each row, every beginning has about each class's share: the k-th of n rows of a class
    comes at (k - 1/2) / n.
    """
    drawn = rng.permutation(rows)
    if strata is None:
        return drawn
    _, classes = np.unique(strata, return_inverse=True)
    places = np.empty(rows)
    for label in range(int(classes.max()) + 1):
        members = drawn[classes[drawn] == label]
        places[members] = (np.arange(len(members)) + 0.5) / len(members)
    return drawn[np.argsort(places[drawn], kind="stable")]
