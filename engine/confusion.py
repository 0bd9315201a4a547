"""How often each class was taken for each other one, and the figures that follow from it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from engine.encoding.description import Label

Codes = NDArray[np.intp]


class LabelFigures(BaseModel):
    """How well one class or label is found."""

    label: Label
    precision: float | None = Field(
        description="Right among the rows that were taken for it; null where none was."
    )
    recall: float | None = Field(description="Found among the rows that are it; null where none is.")
    f1: float | None = Field(description="Null where no row is it or was taken for it.")
    support: int = Field(description="Rows that are it.")


class Confusion:
    """Counts of rows by true and predicted class: `matrix` (classes, classes), true classes down."""

    def __init__(self, labels: Sequence[Label], truth: Codes, predicted: Codes) -> None:
        """Count rows; `truth` and `predicted` (rows,) are indices into `labels`."""
        classes = len(labels)
        self.labels = labels
        self.matrix = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
        self._hits = self.matrix.diagonal()
        self._is = self.matrix.sum(axis=1)
        self._taken = self.matrix.sum(axis=0)

    @property
    def accuracy(self) -> float:
        """Share of the rows whose class was predicted."""
        return float(self._hits.sum() / self.matrix.sum())

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that occur."""
        occurs = self._is > 0
        return float((self._hits[occurs] / self._is[occurs]).mean())

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur or were predicted."""
        defined = [figures.f1 for figures in self.per_class() if figures.f1 is not None]
        return float(np.mean(defined))

    @property
    def mean_absolute_rank_error(self) -> float:
        """Of ordered classes: how many ranks the predicted class is from the true one, on average."""
        return float((self.matrix * np.abs(self._ranks_apart())).sum() / self.matrix.sum())

    @property
    def quadratic_kappa(self) -> float | None:
        """Of ordered classes: 1 - sum_ij w_ij n_ij / sum_ij w_ij e_ij with w_ij = (i - j)^2.

        n_ij are the counts, e_ij those that chance alone would make of the same sums. Null where both are of one
        and the same class. Source: Cohen 1968, Weighted kappa.
        """
        weights = np.square(self._ranks_apart())
        by_chance = np.outer(self._is, self._taken) / self.matrix.sum()
        expected = float((weights * by_chance).sum())
        return 1 - float((weights * self.matrix).sum()) / expected if expected else None

    def _ranks_apart(self) -> Codes:
        ranks = np.arange(len(self.labels))
        return ranks[:, np.newaxis] - ranks

    def per_class(self) -> list[LabelFigures]:
        """precision = TP / (TP + FP); recall = TP / (TP + FN); F1 = 2 TP / (2 TP + FP + FN)."""
        return [
            LabelFigures(
                label=label,
                precision=_ratio(hits, taken),
                recall=_ratio(hits, occurs),
                f1=_ratio(2 * hits, occurs + taken),
                support=occurs,
            )
            for label, hits, occurs, taken in zip(
                self.labels, self._hits.tolist(), self._is.tolist(), self._taken.tolist(), strict=True
            )
        ]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
