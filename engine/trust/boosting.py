"""Gradient boosting as scikit-learn has it, where that is installed: the usual rival of a network on a table."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array
from engine.tasks import Task
from engine.trust.temperature import CLASSIFYING, DISTRIBUTIONS

Figures = NDArray[np.float64]

MOST_ROWS = 50_000
ITERATIONS = 100
"""Trees, as many as scikit-learn's default: for each class, label or target."""
AT_A_TIME = 10
"""Trees between two looks at the clock."""
LEAST_SECONDS = 10.0
"""Time that it may take in any case; else as long as the network's training took."""


class Grower(Protocol):
    """What scikit-learn's models have in common, as far as it is needed here."""

    def fit(self, x: Array, y: Figures) -> object:
        """Learn."""

    def set_params(self, *, max_iter: int) -> object:
        """Let the next `fit` go on to so many trees."""

    def predict(self, x: Array) -> Figures:
        """Values."""

    def predict_proba(self, x: Array) -> Figures:
        """Probabilities."""


class BoostingMissing(Exception):
    """scikit-learn is not installed."""


@dataclass(frozen=True)
class Boosting:
    """One fitted model for all classes, or one for each target or label."""

    models: Sequence[Grower]
    task: Task
    classes: NDArray[np.intp] | None  # of classes: those that training had
    outputs: int
    rows: int
    detail: str | None

    def answers(self, x: Array) -> Figures:
        """Probabilities or values (rows, outputs) for encoded rows."""
        if self.task in DISTRIBUTIONS:
            probabilities = np.zeros((len(x), self.outputs))
            probabilities[:, self.classes] = self.models[0].predict_proba(x)
            return probabilities
        columns = [
            model.predict_proba(x)[:, 1] if self.task in CLASSIFYING else model.predict(x)
            for model in self.models
        ]
        return np.stack(columns, axis=1)


def fit_boosting(x: Array, truth: Figures, task: Task, *, seconds: float) -> Boosting:
    """Fit to encoded rows x (rows, width) and truth (rows, outputs), of many rows to some.

    It may take as long as the network's training took (`seconds`), at least `LEAST_SECONDS`: whatever trees there
    are by then are the model. Raises `BoostingMissing`.
    """
    try:
        # Here and not above: it is optional, and nothing but a job that asks for it pays for loading it.
        from sklearn.ensemble import (  # noqa: PLC0415
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )
    except ImportError:
        raise BoostingMissing(
            "scikit-learn is not installed: it comes with the extra `baselines` (pip install 'backpropd[baselines]')"
        ) from None
    every = slice(None, None, -(-len(x) // MOST_ROWS))
    x, truth = x[every], truth[every]
    maker = HistGradientBoostingClassifier if task in CLASSIFYING else HistGradientBoostingRegressor
    goals = [truth.argmax(axis=1)] if task in DISTRIBUTIONS else list(truth.T)
    until = time.monotonic() + max(seconds, LEAST_SECONDS)
    models, trees = [], []
    for i, goal in enumerate(goals):
        if len(np.unique(goal)) == 1 and task in CLASSIFYING:
            raise BoostingMissing("a label has the same value in all training rows")
        share = (until - time.monotonic()) / (len(goals) - i)
        model = maker(random_state=0, warm_start=True, max_iter=AT_A_TIME)
        trees.append(_grow(model, x, goal, time.monotonic() + share))
        models.append(model)
    fewest = min(trees)
    return Boosting(
        models=models,
        task=task,
        classes=np.unique(goals[0]).astype(np.intp) if task in DISTRIBUTIONS else None,
        outputs=truth.shape[1],
        rows=len(x),
        detail=None
        if fewest == ITERATIONS
        else f"its time was over after {fewest} of {ITERATIONS} iterations",
    )


def _grow(model: Grower, x: Array, goal: Figures, until: float) -> int:
    """Add trees until there are enough or the time is over; how many there are then."""
    trees = AT_A_TIME
    model.fit(x, goal)
    while trees < ITERATIONS and time.monotonic() < until:
        trees += AT_A_TIME
        model.set_params(max_iter=trees)
        model.fit(x, goal)
    return trees
