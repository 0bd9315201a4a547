"""Where to draw the line between two classes: a row is taken as positive from a threshold of its probability on.

1/2 is best only if both errors cost the same and the probabilities are right.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag

from engine.ranking import Positive, Ranking, Scores
from engine.spec import Spec

Figures = NDArray[np.float64]

Measure = Literal["accuracy", "f1", "mcc", "youden"]
MEASURES: tuple[Measure, ...] = ("accuracy", "f1", "mcc", "youden")

TABLE_ROWS = 50
"""Thresholds that the table is thinned to, evenly along the ranking."""


class Costs(Spec):
    """What an error costs, in any unit; only the ratio matters for the threshold."""

    false_positive: float = Field(1.0, ge=0, le=1e12)
    false_negative: float = Field(1.0, ge=0, le=1e12)


class CostChoice(Spec):
    """Choose the threshold with the least cost."""

    costs: Costs


def _word_or_object(value: object) -> str:
    """Which side of the union is meant, so that an error speaks of that side alone."""
    return "word" if isinstance(value, str) else "object"


ThresholdChoice = Annotated[
    Annotated[Measure, Tag("word")] | Annotated[CostChoice, Tag("object")], Discriminator(_word_or_object)
]
"""How a threshold is chosen: the best by a measure, or the cheapest."""


class Threshold(Spec):
    """What follows from taking every row as positive whose probability is at least `threshold`."""

    threshold: float | None = Field(description="Null: no row is taken.")
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    accuracy: float
    precision: float | None = Field(description="Null where no row is taken.")
    recall: float | None = Field(description="Null where no row is positive.")
    f1: float | None = Field(description="Null where no row is positive or taken.")
    youden: float | None = Field(description="Recall + true negative rate - 1; null for rows of one class.")
    mcc: float = Field(description="Matthews correlation; 0 where the rows or the answers are of one class.")
    cost: float | None = Field(None, description="Of all rows, where costs were given.")


class ThresholdTable(Spec):
    """The thresholds of a binary answer."""

    best: dict[Measure, Threshold] = Field(
        description="By each measure, over all thresholds, of equals the highest; without what cannot be measured."
    )
    chosen_by: ThresholdChoice | None = Field(None, description="What the request asked for.")
    chosen: Threshold | None = Field(None, description="The best threshold by `chosen_by`.")
    table: list[Threshold] = Field(description=f"At most {TABLE_ROWS}, falling.")


def threshold_table(p: Scores, positive: Positive, choice: ThresholdChoice | None = None) -> ThresholdTable:
    """All that follows from thresholds on `p` (rows,), rows being `positive` or not; at least one row."""
    outcomes = _Outcomes(p, positive, choice.costs if isinstance(choice, CostChoice) else None)
    best = {}
    for measure in MEASURES:
        place = outcomes.best(measure)
        if place is not None:
            best[measure] = outcomes.at(place)
    chosen = None
    if choice is not None:
        place = outcomes.cheapest() if isinstance(choice, CostChoice) else outcomes.best(choice)
        chosen = None if place is None else outcomes.at(place)
    shown = np.unique(np.linspace(0, len(outcomes) - 1, min(len(outcomes), TABLE_ROWS)).round().astype(int))
    return ThresholdTable(
        best=best, chosen_by=choice, chosen=chosen, table=[outcomes.at(place) for place in shown.tolist()]
    )


class _Outcomes:
    """The four counts at every distinct threshold, falling; the first one takes no row."""

    def __init__(self, p: Scores, positive: Positive, costs: Costs | None) -> None:
        ranking = Ranking(p, positive)
        taken = np.append(0, ranking.taken).astype(np.float64)
        self._thresholds = ranking.thresholds
        self._tp = np.append(0, ranking.hits).astype(np.float64)
        self._fp = taken - self._tp
        self._fn = ranking.positives - self._tp
        self._tn = ranking.rows - taken - self._fn
        self._costs = costs
        self._measured = {
            "accuracy": (self._tp + self._tn) / ranking.rows,
            "f1": _ratio(2 * self._tp, 2 * self._tp + self._fp + self._fn),
            "mcc": self._mcc(),
            "youden": _ratio(self._tp, self._tp + self._fn) + _ratio(self._tn, self._tn + self._fp) - 1,
            "precision": _ratio(self._tp, taken),
            "recall": _ratio(self._tp, self._tp + self._fn),
        }

    def __len__(self) -> int:
        return len(self._tp)

    def _mcc(self) -> Figures:
        """(TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN)); 0 where that is 0 / 0."""
        tp, fp, tn, fn = self._tp, self._fp, self._tn, self._fn
        # Roots one by one: the product of four counts of many rows is beyond what is exact.
        below = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
        correlation: Figures = np.divide(tp * tn - fp * fn, below, out=np.zeros(len(tp)), where=below > 0)
        return correlation

    def best(self, measure: Measure) -> int | None:
        """The place of the largest value, of equals the highest threshold; None where it is nowhere defined."""
        values = self._measured[measure]
        return None if np.isnan(values).all() else int(np.nanargmax(values))

    def cheapest(self) -> int:
        """The place with the least cost, of equals the highest threshold."""
        return int(np.argmin(self._cost()))

    def _cost(self) -> Figures:
        assert self._costs is not None, "asked for only with costs"
        cost: Figures = self._costs.false_positive * self._fp + self._costs.false_negative * self._fn
        return cost

    def at(self, place: int) -> Threshold:
        """All that follows from the threshold at a place."""
        counts = (self._tp, self._fp, self._tn, self._fn)
        true_positives, false_positives, true_negatives, false_negatives = (
            int(each[place]) for each in counts
        )
        measured = {
            name: None if np.isnan(values[place]) else float(values[place])
            for name, values in self._measured.items()
        }
        return Threshold(
            threshold=None if place == 0 else float(self._thresholds[place - 1]),
            true_positives=true_positives,
            false_positives=false_positives,
            true_negatives=true_negatives,
            false_negatives=false_negatives,
            cost=None if self._costs is None else float(self._cost()[place]),
            **measured,
        )


def _ratio(part: Figures, whole: Figures) -> Figures:
    """part / whole; not a number where whole is 0."""
    ratio: Figures = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole != 0)
    return ratio
