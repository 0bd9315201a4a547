"""What a model keeps besides its weights so that its answers say how sure they are.

The temperature changes the probabilities; the calibration rows' scores give each answer a set or an interval.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.spec import Spec
from engine.tasks import Task
from engine.trust.conformal import (
    class_scores,
    in_set,
    least_rows,
    threshold,
    value_scores,
)
from engine.trust.temperature import scaled

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.target import AnyTarget

Figures = NDArray[np.float64]

DEFAULT_COVERAGE = 0.9
CONFORMAL = frozenset[Task]({"binary", "multiclass", "ordinal", "regression", "count"})
"""The tasks whose answers have sets or intervals."""
Scores = tuple[Annotated[float, Field(ge=0)], ...]


class ClassConformal(Spec):
    """Sets of classes by LAC (see `engine.trust.conformal`)."""

    kind: Literal["classes"] = "classes"
    scores: Scores = Field(
        min_length=1, description="1 - p of the true class, of each calibration row, sorted."
    )

    @property
    def rows(self) -> int:
        """The calibration rows."""
        return len(self.scores)

    def held(self, p: Figures, coverage: float) -> NDArray[np.bool_]:
        """Which classes each row's set holds, for probabilities of all classes (rows, classes)."""
        return in_set(p, threshold(self._scores, coverage))

    @cached_property
    def _scores(self) -> Figures:
        return np.array(self.scores)


class ValueConformal(Spec):
    """Intervals around values, for each target by itself (see `engine.trust.conformal`)."""

    kind: Literal["values"] = "values"
    scores: tuple[Scores, ...] = Field(
        min_length=1, description="|truth - answer| of each calibration row, sorted; of each target."
    )

    @property
    def rows(self) -> int:
        """The calibration rows."""
        return len(self.scores[0])

    def radii(self, coverage: float) -> list[float]:
        """Half the width of each target's interval; infinite where the rows are too few."""
        return [threshold(scores, coverage) for scores in self._scores]

    @cached_property
    def _scores(self) -> Figures:
        return np.array(self.scores)


Conformal = Annotated[ClassConformal | ValueConformal, Field(discriminator="kind")]


class Assurance(Spec):
    """How a model's answers are made as sure as they deserve to be; by default nothing is done."""

    temperature: float = Field(1.0, gt=0)
    conformal: Conformal | None = None

    def scaled(self, answers: Figures, task: Task) -> Figures:
        """Answers (rows, outputs) after the link, of whatever made them, at the temperature."""
        return scaled(answers, self.temperature, task) if self.temperature != 1 else answers


def kept_assurance(assurance: Assurance) -> dict[str, str]:
    """The entry of a model's file; none where nothing is done to the answers."""
    return {} if assurance == Assurance() else {"assurance": assurance.model_dump_json()}


def conformal_of(answers: Figures, truth: Figures, task: Task) -> ClassConformal | ValueConformal:
    """The scores of calibration rows: final answers and truth, both (rows, outputs) as a target makes them.

    Raises `ValueError` for a task that has neither classes nor values.
    """
    if task not in CONFORMAL:
        raise ValueError(f"{task} has no conformal answers")
    if task in {"regression", "count"}:
        columns = value_scores(answers, truth).T.tolist()
        return ValueConformal(scores=tuple(map(tuple, columns)))
    codes = truth[:, 0].astype(np.intp) if task == "binary" else truth.argmax(axis=1)
    scores = class_scores(all_classes(answers, task), codes)
    return ClassConformal(scores=tuple(scores.tolist()))


def with_coverage(
    conformal: ClassConformal | ValueConformal | None,
    predictions: Sequence[dict[str, object]],
    answers: Figures,
    target: "AnyTarget",
    coverage: float,
) -> list[dict[str, object]]:
    """Predictions, decoded by `target` from `answers` (rows, outputs), with what the calibration rows say of them.

    For classes `set` and `coverage`; for a value `interval`, for several `intervals` by target.
    """
    match conformal:
        case ClassConformal():
            added = _sets(conformal, answers, target, coverage)
        case ValueConformal():
            added = _intervals(conformal, answers, target, coverage)
        case None:
            return list(predictions)
    return [{**prediction, **more} for prediction, more in zip(predictions, added, strict=True)]


def _sets(
    conformal: ClassConformal, answers: Figures, target: "AnyTarget", coverage: float
) -> list[dict[str, object]]:
    assert target.kind in {"binary", "multiclass", "ordinal"}, "others have no scores of classes"
    held = conformal.held(all_classes(answers, target.kind), coverage)
    return [
        {"set": [target.classes[i] for i in np.flatnonzero(row).tolist()], "coverage": coverage}
        for row in held
    ]


def _intervals(
    conformal: ValueConformal, answers: Figures, target: "AnyTarget", coverage: float
) -> list[dict[str, object]]:
    radii = conformal.radii(coverage)
    rows = [
        [_interval(value, radius, coverage) for value, radius in zip(row, radii, strict=True)]
        for row in answers.tolist()
    ]
    if len(target.columns) == 1:
        return [{"interval": interval} for (interval,) in rows]
    return [{"intervals": dict(zip(target.columns, row, strict=True))} for row in rows]


def shortage(conformal: ClassConformal | ValueConformal, coverage: float) -> str | None:
    """What to say where the calibration rows are too few for `coverage`."""
    if conformal.rows >= (needed := least_rows(coverage)):
        return None
    without = "every set holds all classes" if conformal.kind == "classes" else "the intervals have no bounds"
    return (
        f"a coverage of {coverage:g} needs at least {needed} calibration rows, the model has {conformal.rows}: "
        f"{without}"
    )


def _interval(value: float, radius: float, coverage: float) -> dict[str, float | None]:
    finite = math.isfinite(radius)
    return {
        "coverage": coverage,
        "low": value - radius if finite else None,
        "high": value + radius if finite else None,
    }


def all_classes(answers: Figures, task: Task) -> Figures:
    """The probabilities of all classes (rows, classes); a binary target's answer is the second one's alone."""
    return np.concatenate([1 - answers, answers], axis=1) if task == "binary" else answers
