"""What answers are worth, and what the scores over many data sets come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables.results import Result

Figures = NDArray[np.float64]
LEAST = 1e-15
"""Probabilities are taken for at least this much."""


def error(truth: NDArray[np.generic], answers: Figures) -> float:
    """The share of rows whose most probable class is wrong, or the root of the mean squared error."""
    if answers.ndim == 2:
        return float((answers.argmax(axis=1) != truth).mean())
    return float(np.sqrt(((answers - truth) ** 2).mean()))


def log_loss(truth: NDArray[np.intp], answers: Figures) -> float:
    """Minus the mean logarithm of the true class's probability."""
    of_truth = answers[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(of_truth, LEAST, 1)).mean())


def constant_error(learned: NDArray[np.generic], truth: NDArray[np.generic], *, classes: bool) -> float:
    """The error of the most frequent class, or of the mean, of the rows learned from."""
    if classes:
        return float((truth != np.bincount(learned.astype(np.intp)).argmax()).mean())
    return error(truth, np.full(len(truth), learned.astype(np.float64).mean()))


@dataclass(frozen=True)
class Standing:
    """A contestant's figures over all data sets."""

    rank: float  # mean over data sets; 1 is the best
    normalised: float  # mean of the error over that of the constant answer
    wins: float  # data sets on which nobody was better; shared ones count in part
    seconds: float  # of one fit, mean over data sets


def fair(results: Sequence[Result]) -> list[Result]:
    """Those of splits that every contestant has finished."""
    everybody = {result.contestant for result in results}
    finished: dict[tuple[str, int], set[str]] = {}
    for result in results:
        finished.setdefault((result.dataset, result.split), set()).add(result.contestant)
    return [result for result in results if finished[result.dataset, result.split] == everybody]


def means(results: Sequence[Result], figure: str) -> dict[str, dict[str, float]]:
    """By data set and contestant: the mean over the splits; None is left out."""
    table: dict[str, dict[str, list[float]]] = {}
    for result in results:
        if (value := getattr(result, figure)) is not None:
            table.setdefault(result.dataset, {}).setdefault(result.contestant, []).append(value)
    return {name: {who: float(np.mean(values)) for who, values in row.items()} for name, row in table.items()}


def standings(results: Sequence[Result], figure: str = "error") -> dict[str, Standing]:
    """Every contestant's figures over all data sets; `results`: those that are `fair`."""
    table, seconds, constant = means(results, figure), means(results, "seconds"), means(results, "constant")
    ranks = [ranked(row) for row in table.values()]
    return {
        who: Standing(
            rank=float(np.mean([rank[who] for rank in ranks])),
            normalised=float(np.mean([table[name][who] / constant[name][who] for name in table])),
            wins=float(sum(_won(table[name], who) for name in table)),
            seconds=float(np.mean([seconds[name][who] for name in table])),
        )
        for who in sorted({result.contestant for result in results})
    }


def ranked(row: Mapping[str, float]) -> dict[str, float]:
    """Places from 1; equal ones share the mean of theirs."""
    values = np.array(list(row.values()))
    places = [1 + (values < value).sum() + ((values == value).sum() - 1) / 2 for value in values]
    return dict(zip(row, map(float, places), strict=True))


def _won(row: Mapping[str, float], who: str) -> float:
    best = min(row.values())
    first = [name for name, value in row.items() if value == best]
    return 1 / len(first) if who in first else 0.0
