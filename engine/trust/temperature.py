"""Temperature scaling: one number that makes a classifier's probabilities as sure as they deserve to be.

    p_T = softmax(z / T), for two classes sigmoid(z / T), with the logits z = ln p (logit p)

T > 1 for a network that is too sure of itself, T < 1 for one that is not sure enough (as label smoothing makes
them). Which class is the most probable stays. T minimises the log loss of rows that were not trained on. The log loss
is convex in b = 1 / T, so T is where its derivative is 0.

Sources: Guo, Pleiss, Sun & Weinberger 2017, On calibration of modern neural networks, section 4.2; for rows that are
all answered rightly Platt 1999, Probabilistic outputs for support vector machines, section 2.2, who keeps sigmoids
finite by an imagined observation in the same way.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from engine.tasks import Task

Figures = NDArray[np.float64]

DISTRIBUTIONS = frozenset[Task]({"multiclass", "ordinal"})
"""The tasks whose answers are a row's probabilities of all classes, which sum to 1."""
CLASSIFYING = DISTRIBUTIONS | {"binary", "multilabel"}
"""The tasks whose answers are probabilities."""
SHARPEST, FLATTEST = 1 / 20, 20.0
"""The temperatures that are taken into account."""
NATS = 1.92
"""How far T must lower the rows' summed log loss to be kept.

Half the 95 % quantile of chi squared with one degree of freedom: the likelihood-ratio test of T = 1.
"""
STEPS = 100


class TemperatureFit(BaseModel):
    """What was found when a temperature was fitted."""

    temperature: float = Field(description="What the logits are divided by in every answer; 1: nothing.")
    rows: int = Field(description="Validation rows that it was fitted on.")
    log_loss_before: float = Field(description="Of those rows at temperature 1.")
    log_loss_after: float = Field(description="Of those rows at the temperature that is used.")
    detail: str = Field(description="Why this temperature.")


def scaled(p: Figures, temperature: float, task: Task) -> Figures:
    """Probabilities (rows, outputs) as they are at `temperature`; row by row, 1 changes no bit."""
    if temperature == 1:
        return p
    z = _logits(p, task) / temperature
    if task not in DISTRIBUTIONS:
        positive: Figures = np.tanh(z / 2) / 2 + 0.5
        return positive
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    probabilities: Figures = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def fit_temperature(p: Figures, y: Figures, task: Task) -> TemperatureFit:
    """The temperature for answers `p` at temperature 1 whose truth is `y`, both (rows, outputs).

    Where every row is answered rightly no finite one is best: the surer the better. One more row is then taken to be
    answered wrongly, which makes the answers as sure as the rule of succession has it. It is left at 1 where the best
    one is not clearly better.
    """
    margins = _margins(_logits(p, task), y, task)
    before = _loss(margins, 1.0)
    found, detail = _best(margins, before, len(p))
    return TemperatureFit(
        temperature=found,
        rows=len(p),
        log_loss_before=before,
        log_loss_after=_loss(margins, 1 / found),
        detail=detail,
    )


def for_their_mean(fit: TemperatureFit) -> TemperatureFit:
    """The temperature for the mean of networks, where `fit` is that of each by itself.

    The mean is less sure than they are: it may need to be made surer, as they do, but not less sure because they do.
    """
    if fit.temperature <= 1:
        return fit
    detail = f"each network is too sure by {fit.temperature:.3g}, but the mean of all is less sure: it is left as it is"
    return fit.model_copy(
        update={"temperature": 1.0, "log_loss_after": fit.log_loss_before, "detail": detail}
    )


def _best(margins: Figures, before: float, rows: int) -> tuple[float, str]:
    """The temperature to use and why."""
    all_right = bool((margins >= 0).all())
    if all_right:
        margins = np.concatenate([margins, _answered_wrongly(margins)])
        before = _loss(margins, 1.0)
    sharpness = _stationary(margins)
    gained = len(margins) * (before - _loss(margins, sharpness))
    if gained <= NATS:
        return 1.0, f"the best one, {1 / sharpness:.3g}, is no clear gain on {rows} validation rows"
    if all_right:
        return 1 / sharpness, (
            f"all {rows} validation rows are answered rightly: the answers are as sure as if the next one were not"
        )
    kind = "less" if sharpness < 1 else "more"
    return 1 / sharpness, f"the answers are made {kind} sure: that lowers the log loss of the validation rows"


def _answered_wrongly(margins: Figures) -> Figures:
    """The margins (1, others) of an ordinary decision whose truth is the runner-up: it and the winner change places."""
    nearest = margins.min(axis=1)
    ordinary = margins[np.argsort(nearest, kind="stable")[len(nearest) // 2]]
    runner_up = ordinary.argmin()
    wrong: Figures = ordinary - ordinary[runner_up]
    wrong[runner_up] = -ordinary[runner_up]
    return wrong[None]


def _stationary(margins: Figures) -> float:
    """The b = 1 / T at which the derivative of the loss is 0: Newton's steps, halving where they leave the bracket."""
    low, high, b = 1 / FLATTEST, 1 / SHARPEST, 1.0
    for _ in range(STEPS):
        slope, curvature = _derivatives(margins, b)
        if slope > 0:
            high = b
        else:
            low = b
        step = b - slope / curvature if curvature > 0 else np.inf
        following = step if low < step < high else (low + high) / 2
        if abs(following - b) <= 1e-12 * b:
            break
        b = following
    return b


def _logits(p: Figures, task: Task) -> Figures:
    """ln p, or ln p - ln(1 - p); of probabilities that are not quite 0 and 1."""
    smallest = np.finfo(np.float64).tiny
    logarithms: Figures = np.log(np.maximum(p, smallest))
    if task in DISTRIBUTIONS:
        return logarithms
    logits: Figures = logarithms - np.log(np.maximum(1 - p, smallest))
    return logits


def _margins(z: Figures, y: Figures, task: Task) -> Figures:
    """By how much the truth's logit is above each other one: (decisions, others).

    The loss of a decision is ln(1 + sum_others e^(-b margin)). A row is one decision, of several labels each is.
    """
    if task not in DISTRIBUTIONS:
        return np.where(y == 1, z, -z).reshape(-1, 1)
    own = y.argmax(axis=1)
    others = np.ones(z.shape, bool)
    others[np.arange(len(z)), own] = False
    margins: Figures = z[np.arange(len(z)), own][:, None] - z[others].reshape(len(z), -1)
    return margins


def _loss(margins: Figures, b: float) -> float:
    """The mean log loss at 1 / T = b."""
    exponents = np.concatenate([np.zeros((len(margins), 1)), -b * margins], axis=1)
    largest = exponents.max(axis=1, keepdims=True)
    return float((largest[:, 0] + np.log(np.exp(exponents - largest).sum(axis=1))).mean())


def _derivatives(margins: Figures, b: float) -> tuple[float, float]:
    """The first and the second derivative of the mean log loss by b: -mean E[m] and mean Var[m].

    The expectation is over the classes at 1 / T = b, the truth's own margin being 0.
    """
    exponents = -b * margins
    largest = np.maximum(exponents.max(axis=1, keepdims=True), 0)
    powers = np.exp(exponents - largest)
    total = np.exp(-largest[:, 0]) + powers.sum(axis=1)
    first = (powers * margins).sum(axis=1) / total
    second = (powers * margins**2).sum(axis=1) / total - first**2
    return float(-first.mean()), float(second.mean())
