"""Out-of-fold answers: each row's, by the networks that did not train on it, and what they are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding.split import Indices
from engine.ensemble import Ensemble
from engine.evaluation import evaluate
from engine.reports import AnyEvaluation, FoldFigures, Spread

MOST_VALUES = 2**20
"""Answers that a model's file keeps; of more it keeps none."""

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class OutOfFold:
    """The rows that validate some network, ascending, and the mean of these networks' answers."""

    rows: Indices
    answers: Figures  # (rows, outputs)
    networks: Indices  # how many answered
    first: Indices  # the first of them, from 0
    folds: list[FoldFigures]  # of each network by itself
    spread: dict[str, Spread]

    def tensors(self, numbers: Indices) -> dict[str, NDArray[Any]]:
        """What a model's file keeps of it; `numbers`: those of all rows in the table. None of too much."""
        if self.answers.size > MOST_VALUES:
            return {}
        kept = Kept(numbers[self.rows], self.first, self.networks, self.answers)
        return kept.tensors()


@dataclass(frozen=True)
class Kept:
    """Out-of-fold answers as a model's file keeps them, in the order of the rows."""

    row: Indices  # its number in the table, from 0
    network: Indices  # the first that answered, from 0
    networks: Indices  # how many did
    answers: Figures

    def tensors(self) -> dict[str, NDArray[Any]]:
        """By their names in the file."""
        return {
            "out_of_fold.answers": self.answers,
            "out_of_fold.network": self.network.astype(np.int64),
            "out_of_fold.networks": self.networks.astype(np.int64),
            "out_of_fold.row": self.row.astype(np.int64),
        }

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> "Kept | None":
        """What the tensors of a file hold of it; None where that is nothing, or not what was written."""
        parts = [tensors.get(f"out_of_fold.{name}") for name in ("row", "network", "networks", "answers")]
        there = [part for part in parts if part is not None]
        if len(there) < len(parts) or there[3].ndim != 2:
            return None
        if any(part.dtype != np.int64 or part.shape != there[3].shape[:1] for part in there[:3]):
            return None
        return cls(*there)


def out_of_fold(ensemble: Ensemble, frame: pl.DataFrame, validating: Sequence[Indices]) -> OutOfFold:
    """Ask each network for its rows of `frame`; a row that validates none is left out."""
    target = ensemble.target
    x = ensemble.encoder.encode(frame)
    truth = target.truth(frame, x)
    answered = [
        member.plain_answers_to(x[rows]) for member, rows in zip(ensemble.members, validating, strict=True)
    ]
    reports = []
    total = np.zeros(
        (len(x), answered[0].shape[1])
    )  # of ordered classes one more than the network has outputs
    networks = np.zeros(len(x), np.intp)
    first = np.full(len(x), -1)
    for number, (answers, rows) in enumerate(zip(answered, validating, strict=True)):
        reports.append(evaluate(target, answers, truth[rows]))
        total[rows] += answers
        networks[rows] += 1
        first[rows] = np.where(first[rows] < 0, number, first[rows])
    rows = np.flatnonzero(networks)
    answers = total[rows] / networks[rows, np.newaxis]
    folds, spread = _compared(reports)
    return OutOfFold(rows, answers, networks[rows], first[rows], folds, spread)


def _compared(reports: Sequence[AnyEvaluation]) -> tuple[list[FoldFigures], dict[str, Spread]]:
    """The single figures of every network's report, and their spread."""
    names = sorted({name for report in reports for name, value in report if isinstance(value, float)})
    figures = [
        FoldFigures(fold=number, rows=report.rows, figures={name: getattr(report, name) for name in names})
        for number, report in enumerate(reports, 1)
    ]
    spread = {name: _spread([fold.figures[name] for fold in figures]) for name in names}
    return figures, {name: of_figure for name, of_figure in spread.items() if of_figure is not None}


def _spread(figures: Sequence[float | None]) -> Spread | None:
    """Over all folds; None where a fold has no such figure."""
    known = [figure for figure in figures if figure is not None]
    if len(known) < len(figures):
        return None
    return Spread(mean=float(np.mean(known)), std=float(np.std(known, ddof=1)))
