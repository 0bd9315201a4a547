"""What simpler models make of the same rows, so that one sees what the network is worth.

They learn from the training rows as a plain encoding gives them and are scored on the rows on which the network is
scored. None of them is part of the model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from engine.arrays import Array
from engine.tasks import Task
from engine.trust.boosting import BoostingMissing, fit_boosting
from engine.trust.linear import fit_linear
from engine.trust.scores import LEADING, leading, scores
from engine.trust.temperature import CLASSIFYING

Figures = NDArray[np.float64]

Where = Literal["validation", "test"]
BaselineChoice = Literal["none", "simple", "all"]
BaselineKind = Literal["majority", "mean", "last_value", "linear", "boosting"]

LINEAR_WORK = 4e6
"""Rows x columns x outputs that a linear model is fitted to at least; of more rows some are drawn."""
LINEAR_WORK_A_SECOND = 1e6
"""How many more of them for each second that the network's training is estimated to take."""
MOST_LINEAR_WORK = 4e7

_WORDS: dict[BaselineKind, str] = {
    "majority": "that of the classes' shares",
    "mean": "the mean's",
    "last_value": "the last value's",
    "linear": "the linear model's",
    "boosting": "gradient boosting's",
}


@dataclass(frozen=True)
class HeldOut:
    """Rows that models are compared on: encoded, with the network's answers and the truth."""

    x: Array
    answers: Figures
    truth: Figures


class BaselineScores(BaseModel):
    """How good one simpler model is."""

    kind: BaselineKind = Field(
        description="majority: the classes' shares in training, for every row; mean: of the training rows; last_value: "
        "of a series, that nothing changes; linear: logistic or ridge regression; boosting: scikit-learn's "
        "HistGradientBoosting with its defaults."
    )
    rows: int | None = Field(description="Training rows that it learned from.")
    validation: dict[str, float] | None = Field(
        description="On the validation rows; null where there are none."
    )
    test: dict[str, float] | None = Field(description="On the test rows; null where there are none.")
    detail: str | None = Field(None, description="Why it has no scores, or what is to be known of them.")


class Baselines(BaseModel):
    """The network beside simpler models, on the same rows."""

    network_validation: dict[str, float] | None = Field(description="The network's own scores.")
    network_test: dict[str, float] | None
    models: list[BaselineScores]
    summary: list[str] = Field(
        description="What they come to, in sentences.",
        examples=[["the network's log loss is 12 % below the linear model's on the validation rows"]],
    )


def baselines(
    x: Array,
    truth: Figures,
    held_out: Mapping[Where, HeldOut],
    task: Task,
    *,
    choice: BaselineChoice,
    seconds: float,
    last_value: bool = False,
) -> Baselines:
    """Fit the simpler models to training rows x and truth, and score them on what is held out, at least one set.

    `seconds`: what the network's training takes, about; it bounds what is spent here. `last_value`: whether the truth
    is the change since the last value that is known, so that the forecast that repeats it answers 0.
    """
    models = [_constant(truth, held_out, task)]
    if last_value:
        models.append(
            _scored("last_value", 0, lambda rows: np.zeros((len(rows), truth.shape[1])), held_out, task)
        )
    if task != "autoencoding":
        models.append(_linear(x, truth, held_out, task, seconds))
    if choice == "all" and task != "autoencoding":
        models.append(_boosting(x, truth, held_out, task, seconds))
    own = {name: scores(rows.answers, rows.truth, task) for name, rows in held_out.items()}
    return Baselines(
        network_validation=own.get("validation"),
        network_test=own.get("test"),
        models=models,
        summary=list(_sentences(own, models, task)),
    )


def _constant(truth: Figures, held_out: Mapping[Where, HeldOut], task: Task) -> BaselineScores:
    """The mean of the truth: of ones and zeros it is the classes' shares."""
    mean = truth.mean(axis=0)

    def answers(rows: Array) -> Figures:
        return np.tile(mean, (len(rows), 1))

    kind: BaselineKind = "majority" if task in CLASSIFYING else "mean"
    return _scored(kind, len(truth), answers, held_out, task)


def _linear(
    x: Array,
    truth: Figures,
    held_out: Mapping[Where, HeldOut],
    task: Task,
    seconds: float,
) -> BaselineScores:
    work = min(LINEAR_WORK + seconds * LINEAR_WORK_A_SECOND, MOST_LINEAR_WORK)
    most = int(work / (x.shape[1] * truth.shape[1]))
    if most < 10:
        detail = f"{x.shape[1]} columns and {truth.shape[1]} outputs are too many for a quick comparison"
        return BaselineScores(kind="linear", rows=None, validation=None, test=None, detail=detail)
    every = slice(None, None, -(-len(x) // most))
    try:
        model = fit_linear(x[every], truth[every], task)
    except (MemoryError, np.linalg.LinAlgError) as error:
        detail = f"it could not be fitted: {str(error) or 'out of memory'}"
        return BaselineScores(kind="linear", rows=None, validation=None, test=None, detail=detail)
    return _scored("linear", len(x[every]), model.answers, held_out, task)


def _boosting(
    x: Array,
    truth: Figures,
    held_out: Mapping[Where, HeldOut],
    task: Task,
    seconds: float,
) -> BaselineScores:
    try:
        model = fit_boosting(x, truth, task, seconds=seconds)
    except (BoostingMissing, MemoryError) as error:
        detail = str(error) or "out of memory"
        return BaselineScores(kind="boosting", rows=None, validation=None, test=None, detail=detail)
    found = _scored("boosting", model.rows, model.answers, held_out, task)
    return found.model_copy(update={"detail": model.detail})


def _scored(
    kind: BaselineKind,
    rows: int,
    answers: Callable[[Array], Figures],
    held_out: Mapping[Where, HeldOut],
    task: Task,
) -> BaselineScores:
    found = {name: scores(answers(held.x), held.truth, task) for name, held in held_out.items()}
    return BaselineScores(kind=kind, rows=rows, validation=found.get("validation"), test=found.get("test"))


def _sentences(
    own: Mapping[Where, Mapping[str, float]],
    models: Sequence[BaselineScores],
    task: Task,
) -> list[str]:
    """The leading figure against each baseline's, on the test rows where there are any."""
    where: Where = "test" if "test" in own else "validation"
    figure = leading(task)
    sentences = []
    for model in models:
        theirs = model.test if where == "test" else model.validation
        if theirs is not None:
            compared = compare(own[where][figure], theirs[figure])
            sentences.append(
                f"the network's {LEADING[figure]} is {compared} {_WORDS[model.kind]} on the {where} rows"
            )
    return sentences


def compare(ours: float, theirs: float) -> str:
    """Two figures of which lower is better, in words that "that of ..." follows."""
    if theirs <= 0:
        return "equal to" if ours == theirs else f"{ours - theirs:.3g} above"
    if ours >= 3 * theirs:
        return f"{ours / theirs:.3g} times"
    percent = round(100 * (ours / theirs - 1))
    if percent == 0:
        return "within half a percent of"
    return f"{abs(percent)} % {'below' if percent < 0 else 'above'}"
