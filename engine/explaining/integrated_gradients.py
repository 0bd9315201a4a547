"""Integrated and expected gradients: how much each input moves a score on the straight way from a reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec, Unexplainable
from engine.explaining.differentiable import Differentiable
from engine.explaining.scores import Indices, Values
from engine.explaining.shapley import ShapleySpec, shapley

POINTS = 16
"""Points of one Gauss-Legendre panel."""
MOST_POINTS = 4096
"""Points on the way from one reference."""
NARROWEST = 1e-12
"""The shortest panel, as a share of the way: what is wrong within it is a jump."""
COMPLETE_WITHIN = 1e-3
"""How far the sum of the attributions may be from the difference of the scores, in units of the score."""

Explained = Literal["answers", "logits"]


class IntegratedGradientsSpec(ExplanationSpec):
    """Attributions that add up to the difference between a row's score and that of a reference.

    The gradient is integrated along the straight line from the reference to the encoded row, by Gauss-Legendre panels
    that are halved, where it bends, until the sum is within 0.001 of a probability or of a target's standard
    deviation; the columns of a one-hot group are added up.
    Categories that an embedding reads have no slope: they move first, and have the Shapley values of that move.
    """

    method: Literal["integrated_gradients"] = "integrated_gradients"
    explain: Explained = Field(
        "answers", description="The answers (probabilities, values), or the logits in front of them."
    )

    formula = (
        r"\phi_i = (x_i - x'_i) \int_0^1 \frac{\partial F}{\partial x_i}(x' + \alpha (x - x')) \, d\alpha, "
        r"\quad \sum_i \phi_i = F(x) - F(x')"
    )
    source = "Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks, equation 1"
    cost = "16 to 4,096 forward and backward passes a record"


class ExpectedGradientsSpec(ExplanationSpec):
    """Integrated gradients averaged over references drawn from the data.

    The average over the references is exact; the integral from each is that of integrated gradients.
    """

    method: Literal["expected_gradients"] = "expected_gradients"
    explain: Explained = Field(
        "answers", description="The answers (probabilities, values), or the logits in front of them."
    )

    formula = (
        r"\phi_i = E_{x' \sim D, \, \alpha \sim U(0, 1)}\left[(x_i - x'_i) "
        r"\frac{\partial F}{\partial x_i}(x' + \alpha (x - x'))\right], \quad "
        r"\sum_i \phi_i = F(x) - E_{x' \sim D}[F(x')]"
    )
    source = (
        "Erion et al. 2021, Improving Performance of Deep Learning Models with Axiomatic Attribution Priors"
    )
    cost = "16 to 4,096 forward and backward passes a record and reference"


@dataclass(frozen=True)
class Attributions:
    """What each input did to each row's score."""

    values: Values  # (rows, width)
    scores: Values  # (rows,) F(x)
    reference_scores: Values  # (rows,) the mean of F(x')
    points: Values  # (rows,) on the way from a reference, on average
    errors: Values  # (rows,) sum of the values - (F(x) - F(x'))


def integrated_gradients(
    f: Differentiable,
    x: Array,
    references: Array,
    outputs: Indices,
    unit: Values | None = None,
    coded: Sequence[Indices] = (),
) -> Attributions:
    """The attributions of each row's score, averaged over the references.

    x (rows, width), references (references, width); `outputs`: which score of each row; `unit`: what 1 is in
    the unit of each row's score; `coded`: groups of columns that have no slope and move first, whose attribution
    stands in their first column. Raises `Unexplainable` where no number of points makes the sum complete.
    """
    x, references = x.astype(np.float64), references.astype(np.float64)
    limits = COMPLETE_WITHIN * (np.ones(len(x)) if unit is None else unit)
    found = [
        _of_row(f, row, references, int(output), float(limit), coded)
        for row, output, limit in zip(x, outputs, limits, strict=True)
    ]
    values, scores, of_references, points, errors = zip(*found, strict=True)
    return Attributions(
        np.stack(values), np.array(scores), np.array(of_references), np.array(points), np.array(errors)
    )


def _of_row(
    f: Differentiable, row: Values, references: Values, output: int, limit: float, coded: Sequence[Indices]
) -> tuple[Values, float, float, float, float]:
    ends = f.values(np.concatenate([row[np.newaxis], references]), np.full(1 + len(references), output))
    score, of_references = float(ends[0]), float(ends[1:].mean())
    jumps: Values = np.zeros(len(row))
    if coded:
        jumps, references = _jumped(f, row, references, output, coded)
    along, points = _along(f, row, references, output, limit)
    values = jumps + along
    error = float(values.sum() - (score - of_references))
    return values, score, of_references, points / len(references), error


def _jumped(
    f: Differentiable, row: Values, references: Values, output: int, coded: Sequence[Indices]
) -> tuple[Values, Values]:
    """What the jump of the coded columns is worth, and the references behind it."""
    columns = np.concatenate(coded)
    jumped, jumps = references.copy(), np.zeros(len(row))
    jumped[:, columns] = row[columns]
    for before, after in zip(references, jumped, strict=True):
        moved = shapley(
            lambda x: f.values(x, np.full(len(x), output))[:, np.newaxis],
            after,
            before[np.newaxis],
            coded,
            ShapleySpec(),
        )
        jumps[[group[0] for group in coded]] += moved.values[:, 0] / len(references)
    return jumps, jumped


@dataclass(frozen=True)
class _Panels:
    """Pieces of the ways from the references to the row."""

    way: Indices  # the reference that each begins at
    start: Values  # as a share of the way
    width: Values
    integrals: Values  # (panels, width of the row)
    missed: Values  # by how much the sum of the integral misses the difference of the scores at the ends

    def of(self, kept: NDArray[np.bool_]) -> "_Panels":
        """Some of them."""
        return _Panels(
            self.way[kept], self.start[kept], self.width[kept], self.integrals[kept], self.missed[kept]
        )

    def beside(self, others: "_Panels") -> "_Panels":
        """These and others."""
        mine, theirs = vars(self), vars(others)
        return _Panels(**{name: np.concatenate([mine[name], theirs[name]]) for name in mine})


def _along(
    f: Differentiable, row: Values, references: Values, output: int, limit: float
) -> tuple[Values, int]:
    """(x - x') times the mean gradient on the ways from each x' to x, their mean, and the points that it took.

    What a panel's integral misses is known: its sum is to be the difference of the scores at its ends. Those that miss
    most are halved, until on average the panels of a way miss no more than `limit` together.
    """
    ways = len(references)
    panels = _integrated(f, row, references, output, np.arange(ways), np.zeros(ways), np.ones(ways))
    points = POINTS * ways
    while (missed := float(np.abs(panels.missed).sum()) / ways) > limit:
        bad = panels.of(np.abs(panels.missed) > limit * ways / (2 * len(panels.way)))
        points += 2 * POINTS * len(bad.way)
        if points > MOST_POINTS * ways or bad.width.min() < NARROWEST:
            raise Unexplainable(
                f"the gradients do not add up to the difference of the scores within {limit:g} with {points} points "
                f"(they miss it by {missed:.3g}): the network jumps where it has no gradient, or bends too often; "
                "ask for shapley, which needs no gradients"
            )
        good = panels.of(np.abs(panels.missed) <= limit * ways / (2 * len(panels.way)))
        halves = bad.width / 2
        starts = np.concatenate([bad.start, bad.start + halves])
        which = np.concatenate([bad.way, bad.way])
        halved = _integrated(f, row, references, output, which, starts, np.concatenate([halves, halves]))
        panels = good.beside(halved)
    return panels.integrals.sum(axis=0) / ways, points


def _integrated(
    f: Differentiable,
    row: Values,
    references: Values,
    output: int,
    which: Indices,
    starts: Values,
    widths: Values,
) -> _Panels:
    """Panels on the ways from the references that `which` names, integrated."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    begin, way = references[which], row - references[which]
    alphas = starts[:, np.newaxis] + widths[:, np.newaxis] * (nodes + 1) / 2
    points = begin[:, np.newaxis] + alphas[..., np.newaxis] * way[:, np.newaxis]
    outputs = np.full(points.shape[0] * POINTS, output)
    gradients = f.gradients(points.reshape(-1, len(row)), outputs).reshape(points.shape)
    integrals = way * np.einsum("p,npw->nw", weights / 2, gradients) * widths[:, np.newaxis]
    ends = [begin + edge[:, np.newaxis] * way for edge in (starts, starts + widths)]
    scores = f.values(np.concatenate(ends), np.full(2 * len(which), output))
    differences = scores[len(which) :] - scores[: len(which)]
    return _Panels(which, starts, widths, integrals, integrals.sum(axis=1) - differences)
