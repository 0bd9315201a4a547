"""How well scores put the positive rows before the negative ones, over all thresholds."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

Scores = NDArray[np.float64]
Positive = NDArray[np.bool_]

CURVE_POINTS = 200
"""Points that a curve is thinned to, evenly along it, both ends kept."""


class RocCurve(BaseModel):
    """The two rates at falling thresholds; a row with at least the threshold's score is taken as positive."""

    false_positive_rate: list[float]
    true_positive_rate: list[float]
    threshold: list[float | None] = Field(description="The first point takes no row: null.")


class PrecisionRecallCurve(BaseModel):
    """Precision and recall at falling thresholds."""

    precision: list[float]
    recall: list[float]
    threshold: list[float | None] = Field(
        description="The first point takes no row: null, with a precision of 1."
    )


class Ranking:
    """Rows in the order of their scores, counted at each distinct score: ties stand or fall together."""

    def __init__(self, scores: Scores, positive: Positive) -> None:
        """Take scores (rows,) and which rows are positive (rows,); at least one row."""
        order = np.argsort(-scores, kind="stable")
        scores = scores[order]
        last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
        self.thresholds = scores[last]
        self.taken = last + 1  # rows with a score of at least the threshold
        self.hits = np.cumsum(positive[order])[last]  # positive ones among them
        self.rows = len(scores)
        self.positives = int(self.hits[-1])

    @property
    def has_both(self) -> bool:
        """Whether there are rows of both classes."""
        return 0 < self.positives < self.rows

    def _rates(self) -> tuple[Scores, Scores]:
        """False and true positive rates, from (0, 0) on."""
        misses = self.taken - self.hits
        return (
            np.append(0.0, misses / (self.rows - self.positives)),
            np.append(0.0, self.hits / self.positives),
        )

    def roc_auc(self) -> float | None:
        """Area under the ROC curve by the trapezoid rule; None where one class has no row.

        It is the probability that a positive row scores higher than a negative one, ties counted half.
        Source: Fawcett 2006, An introduction to ROC analysis.
        """
        if not self.has_both:
            return None
        false_positive_rate, true_positive_rate = self._rates()
        return float(np.trapezoid(true_positive_rate, false_positive_rate))

    def average_precision(self) -> float | None:
        """AP = sum_n (R_n - R_{n-1}) P_n over the thresholds. None where no row is positive."""
        if not self.positives:
            return None
        recall_steps = np.diff(self.hits, prepend=0) / self.positives
        return float(np.sum(recall_steps * self.hits / self.taken))

    def roc_curve(self) -> RocCurve | None:
        """None where one class has no row."""
        if not self.has_both:
            return None
        false_positive_rate, true_positive_rate = self._rates()
        points = _thinned(len(self.taken) + 1)
        return RocCurve(
            false_positive_rate=false_positive_rate[points].tolist(),
            true_positive_rate=true_positive_rate[points].tolist(),
            threshold=[None, *self.thresholds[points[1:] - 1].tolist()],
        )

    def precision_recall_curve(self) -> PrecisionRecallCurve | None:
        """None where no row is positive."""
        if not self.positives:
            return None
        points = _thinned(len(self.taken) + 1)
        return PrecisionRecallCurve(
            precision=np.append(1.0, self.hits / self.taken)[points].tolist(),
            recall=np.append(0.0, self.hits / self.positives)[points].tolist(),
            threshold=[None, *self.thresholds[points[1:] - 1].tolist()],
        )


def _thinned(points: int) -> NDArray[np.intp]:
    """At most `CURVE_POINTS` indices below `points`, evenly spread, with the first and the last."""
    return np.unique(np.linspace(0, points - 1, min(points, CURVE_POINTS)).round().astype(np.intp))
