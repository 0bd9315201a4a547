"""The few figures by which answers of one kind are compared: with a baseline's, on a slice, from fewer rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.tasks import Task
from engine.trust.temperature import CLASSIFYING, DISTRIBUTIONS

Figures = NDArray[np.float64]
AnyFigures = NDArray[np.floating]

LEADING: dict[str, str] = {
    "log_loss": "log loss",
    "rmse": "RMSE",
    "reconstruction_error": "reconstruction error",
}
"""The figure that decides, by name and in words; lower is better in each."""


def scores(answers: Figures, truth: Figures, task: Task) -> dict[str, float]:
    """The figures of answers against the truth, both (rows, outputs) as a target makes them; the leading one first.

    Several targets: the mean of theirs. R2 is left out where a target is constant.
    """
    if task in CLASSIFYING:
        right = _right(answers, truth, task).mean()
        return {"log_loss": float(row_losses(answers, truth, task).mean()), "accuracy": float(right)}
    if task == "autoencoding":
        return {"reconstruction_error": float(row_losses(answers, truth, task).mean())}
    errors, variances = truth - answers, truth.var(axis=0)
    squares = np.square(errors).mean(axis=0)
    found = {"rmse": float(np.sqrt(squares).mean()), "mae": float(np.abs(errors).mean())}
    if (truth.max(axis=0) > truth.min(axis=0)).all():
        found["r2"] = float((1 - squares / variances).mean())
    return found


def leading(task: Task) -> str:
    """The figure that decides."""
    if task in CLASSIFYING:
        return "log_loss"
    return "reconstruction_error" if task == "autoencoding" else "rmse"


def row_losses(
    answers: AnyFigures, truth: AnyFigures, task: Task, stds: Sequence[float] | None = None
) -> Figures:
    """How far off each row's answer is (rows,): -ln p of the truth, or the squared error; means over outputs.

    Errors of several targets are in units of `stds` (outputs,), or else of the truth's own deviations.
    """
    if task in DISTRIBUTIONS:
        return -np.log(clipped((answers * truth).sum(axis=1)))
    if task in CLASSIFYING:
        losses: Figures = -np.log(clipped(np.where(truth == 1, answers, 1 - answers))).mean(axis=1)
        return losses
    errors = truth - answers
    if task != "autoencoding" and truth.shape[1] > 1:
        units = truth.std(axis=0) if stds is None else np.array(stds)
        errors = errors / np.where(units > 0, units, 1)
    means: Figures = np.square(errors).mean(axis=1)
    return means


def _right(answers: Figures, truth: Figures, task: Task) -> NDArray[np.bool_]:
    """Which rows are answered rightly; of several labels, those in which every label is."""
    if task in DISTRIBUTIONS:
        # Of ordered classes the median is predicted, as `ClassTarget.winners` says.
        ordered = task == "ordinal"
        winners = (
            (np.cumsum(answers, axis=1)[:, :-1] < 0.5).sum(axis=1) if ordered else answers.argmax(axis=1)
        )
        right: NDArray[np.bool_] = winners == truth.argmax(axis=1)
        return right
    exact: NDArray[np.bool_] = ((answers > 0.5) == (truth == 1)).all(axis=1)
    return exact


def clipped(p: AnyFigures) -> AnyFigures:
    """Keep the logarithm finite, as scikit-learn does."""
    epsilon = np.finfo(np.float64).eps
    return np.clip(p, epsilon, 1 - epsilon)
