"""What is wrong with each row's answer, in the measure that suits the task."""

from typing import TYPE_CHECKING

import numpy as np

from engine.explaining.scores import Values
from engine.trust import scores

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.target import AnyTarget


def row_losses(target: "AnyTarget", answers: Values, truth: Values) -> Values:
    """Each row's loss, from answers and truth (rows, outputs): -ln p of what is true, or the squared error.

    Of several labels or values it is the mean; errors of several targets are in units of the deviations on the
    training rows.
    """
    return scores.row_losses(answers, truth, target.kind, getattr(target, "stds", None))


def total_loss(target: "AnyTarget", losses: Values) -> float:
    """The loss over the rows: the mean, or its root for values."""
    mean = float(losses.mean())
    return float(np.sqrt(mean)) if scores.leading(target.kind) == "rmse" else mean
