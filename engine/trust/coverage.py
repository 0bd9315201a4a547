"""Whether sets and intervals hold the truth as often as they say, on rows that they were not learned from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from engine.trust.assurance import (
    DEFAULT_COVERAGE,
    ClassConformal,
    ValueConformal,
    all_classes,
    shortage,
)

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.target import AnyTarget

Figures = NDArray[np.float64]

COVERAGES = (0.8, 0.9, 0.95)


class Covered(BaseModel):
    """How often the truth was held at a coverage."""

    coverage: float = Field(description="As asked for.")
    observed: float = Field(description="Share of the rows whose truth was in the set or interval.")
    target: str | None = Field(description="Which, where there are values.")
    mean_size: float | None = Field(None, description="Classes in a set, on average.")
    width: float | None = Field(
        None, description="Of the intervals, in the target's unit; null: without bounds."
    )


class Conformal(BaseModel):
    """What the sets or intervals of a model come from, and how they did."""

    method: Literal["LAC", "absolute residuals"]
    rows: int = Field(description="Calibration rows.")
    detail: str | None = Field(description="What they are too few for, if they are.")
    observed: list[Covered] = Field(
        description="On the rows of this report. Nothing where several networks answered rows of their own: sets and "
        "intervals are around the mean of all."
    )


def conformal_report(
    conformal: ClassConformal | ValueConformal, target: "AnyTarget", answers: Figures, truth: Figures
) -> Conformal:
    """The report on rows with `answers` and `truth` (rows, outputs), other ones than the calibration rows."""
    if isinstance(conformal, ClassConformal):
        observed = list(_sets(conformal, target, answers, truth))
    else:
        observed = list(_intervals(conformal, target, answers, truth))
    return Conformal(
        method="LAC" if conformal.kind == "classes" else "absolute residuals",
        rows=conformal.rows,
        detail=shortage(conformal, DEFAULT_COVERAGE),
        observed=observed,
    )


def _sets(
    conformal: ClassConformal, target: "AnyTarget", answers: Figures, truth: Figures
) -> Iterator[Covered]:
    codes = truth[:, 0].astype(np.intp) if target.kind == "binary" else truth.argmax(axis=1)
    for coverage in COVERAGES:
        held = conformal.held(all_classes(answers, target.kind), coverage)
        yield Covered(
            coverage=coverage,
            observed=float(held[np.arange(len(held)), codes].mean()),
            target=None,
            mean_size=float(held.sum(axis=1).mean()),
        )


def _intervals(
    conformal: ValueConformal, target: "AnyTarget", answers: Figures, truth: Figures
) -> Iterator[Covered]:
    residuals = np.abs(truth - answers)
    for coverage in COVERAGES:
        for i, radius in enumerate(conformal.radii(coverage)):
            yield Covered(
                coverage=coverage,
                observed=float((residuals[:, i] <= radius).mean()),
                target=target.columns[i],
                width=2 * radius if np.isfinite(radius) else None,
            )
