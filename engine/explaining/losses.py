"""What is wrong with each row's answer, in the measure that suits the task."""

from typing import TYPE_CHECKING

import numpy as np

from engine.explaining.scores import Values

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.target import AnyTarget

CLASSES = frozenset({"binary", "multiclass", "ordinal", "multilabel"})


def measure_of(kind: str) -> str:
    """The name of the loss over rows."""
    if kind in CLASSES:
        return "log_loss"
    return "reconstruction_error" if kind == "autoencoding" else "rmse"


def row_losses(target: "AnyTarget", answers: Values, truth: Values) -> Values:
    """Each row's loss, from answers and truth (rows, outputs): -ln p of what is true, or the squared error.

    Of several labels or values it is the mean; squared errors of several targets are in units of their deviations.
    """
    if target.kind in CLASSES:
        epsilon = np.finfo(np.float64).eps
        p = np.clip(answers, epsilon, 1 - epsilon)
        if target.kind in {"multiclass", "ordinal"}:
            of_true: Values = -np.log(p[truth == 1])
            return of_true
        losses: Values = -np.log(np.where(truth == 1, p, 1 - p)).mean(axis=1)
        return losses
    errors = answers - truth
    if target.kind in {"regression", "count"} and errors.shape[1] > 1:
        errors = errors / np.array(target.stds)
    squares: Values = np.square(errors).mean(axis=1)
    return squares


def total_loss(kind: str, losses: Values) -> float:
    """The loss over the rows: the mean, or its root for values."""
    mean = float(losses.mean())
    return float(np.sqrt(mean)) if measure_of(kind) == "rmse" else mean
