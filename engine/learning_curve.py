"""A learning curve at work: the same training again, on shares of its rows, one after the other.

curve = CurveTrainings(fitting, seconds_left=lambda: deadline - time.monotonic())
for progress in curve.run():
    ...
report.learning_curve = curve.curve
"""

from collections.abc import Callable, Iterator

import polars as pl

from engine.appraisal import REPORT_ROWS
from engine.fitting import Fitting
from engine.folds.fitting import AnyFitting, EnsembleFitting
from engine.model import Model
from engine.spec import InvalidSpec
from engine.training import Diverged, Progress
from engine.trust.learning_curve import (
    LEAST_ROWS,
    MOST_TRAINING_ROWS,
    CurvePoint,
    LearningCurve,
    SkippedShare,
)
from engine.trust.scores import scores

NO_TIME = "the job's time limit would be exceeded"


class _Skipped(Exception):
    """Why a share has no point."""


class CurveTrainings:
    """The trainings of a curve after the one that gave the model; of several networks, those of the last one."""

    curve: LearningCurve  # once `run` is through; in parts before

    def __init__(self, fitting: AnyFitting, seconds_left: Callable[[], float]) -> None:
        """`fitting`: its training is over. `seconds_left`: before the job has to end."""
        self._fitting = fitting.last if isinstance(fitting, EnsembleFitting) else fitting
        self._seconds_left = seconds_left
        self.curve = LearningCurve(points=[], skipped=[])

    def run(self) -> Iterator[Progress]:
        """Train on each share that the recipe names, but for the whole, which is done; yields as `Fitting.run` does.

        The progress is the finished training's: its step and epoch, and no points. A share that would need more time
        than is left, by what the whole training took, is skipped, as is one whose training diverges.
        """
        for share in self._fitting.training.learning_curve:
            try:
                yield from self._trained(share)
            except (_Skipped, Diverged, InvalidSpec) as reason:
                self.curve.skipped.append(SkippedShare(share=share, reason=str(reason)))

    def _trained(self, share: float) -> Iterator[Progress]:
        """The training on a share, up to its point in the curve."""
        if share == 1.0:
            self._score(share, self._fitting)
            return
        whole = self._fitting.checkpoint().facts
        if self._seconds_left() < share * whole["seconds"]:
            raise _Skipped(NO_TIME)
        fitting = self._fitting.on_share(share)
        if fitting.training_rows.height < LEAST_ROWS:
            raise _Skipped(f"it has fewer than {LEAST_ROWS} rows")
        for _ in fitting.run():
            yield Progress(whole["epoch"], whole["step"], None)
            if self._seconds_left() < 0:
                raise _Skipped(NO_TIME)
        self._score(share, fitting)

    def _score(self, share: float, fitting: Fitting) -> None:
        model, held_out, rows = fitting.settled(fitting.model), fitting.validation_rows, fitting.training_rows
        assert held_out is not None, "a recipe with a learning curve has a validation"
        point = CurvePoint(
            share=share,
            rows=rows.height,
            epochs=fitting.checkpoint().facts["epochs_done"],
            training=_scores(model, fitting.whole(rows, MOST_TRAINING_ROWS)),
            validation=_scores(model, fitting.whole(held_out, REPORT_ROWS)),
        )
        self.curve.points.append(point)


def _scores(model: Model, frame: pl.DataFrame) -> dict[str, float]:
    x = model.encoder.encode(frame)
    return scores(model.answers_to(x), model.target.truth(frame, x), model.target.kind)
