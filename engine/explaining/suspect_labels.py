"""Rows that the model finds hard, and among them labels that are likely to be wrong."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.scores import Indices, Values


class SuspectLabelsSpec(ExplanationSpec):
    """The rows of the training data with the highest loss, and whether their label is suspect.

    A class label is suspect where another class' probability is above that class' mean probability among its own rows,
    and is the highest of those that are. Probabilities of rows that were trained on flatter their labels, and the
    answer says so; where the training kept `row_losses`, the mean probabilities over the training stand in for them.
    """

    method: Literal["suspect_labels"] = "suspect_labels"
    count: int = Field(20, ge=1, le=1000, description="Rows, the most suspect first.")

    formula = (
        r"t_j = \frac{1}{|X_j|} \sum_{x \in X_j} p_j(x), \quad "
        r"\hat{y}(x) = \operatorname*{arg\,max}_{j: p_j(x) \ge t_j} p_j(x); \quad \text{suspect: } \hat{y} \ne y"
    )
    source = "Northcutt, Jiang & Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels, equation 2"
    cost = "one forward pass a row"


@dataclass(frozen=True)
class Suspicion:
    """What confident learning says of each row's label."""

    thresholds: Values  # (classes,); above 1 for a class that no row has
    likely: Indices  # (rows,) the class that the row seems to have; its own where none is confident
    suspect: NDArray[np.bool_]  # (rows,)


def suspicion(probabilities: Array, labels: Indices) -> Suspicion:
    """Which labels are likely to be wrong, from probabilities (rows, classes) and each row's class."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = probabilities[np.arange(len(labels)), labels]
    sums = np.bincount(labels, weights=own, minlength=classes)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -np.inf)
    likely = np.where(np.isfinite(confident).any(axis=1), confident.argmax(axis=1), labels)
    return Suspicion(thresholds, likely, likely != labels)
