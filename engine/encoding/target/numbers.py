"""Numbers: measures, amounts and counts."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array
from engine.encoding.target.base import Prediction, Target, complete


class RegressionTarget(Target):
    """One or several numbers, standardised for training: (y - mean) / std of the training rows.

    For a loss on logarithms 0 stays 0: `means` are 0 then, and `stds` hold the means. count: whole numbers that
    are not negative, whose answer is their mean.
    """

    kind: Literal["regression", "count"] = "regression"
    names: tuple[str, ...] = Field(min_length=1)
    means: tuple[float, ...]
    stds: tuple[float, ...] = Field(
        description="Of the population; 1 for a constant. For a loss on logarithms: the columns' means."
    )
    lows: tuple[float, ...] | None = Field(
        None, description="The least that is answered, one a column; None: answers have no bounds."
    )
    highs: tuple[float, ...] | None = Field(None, description="The most that is answered.")

    @classmethod
    def fit(
        cls, frame: pl.DataFrame, names: Sequence[str], kind: Literal["regression", "count"] = "regression"
    ) -> "RegressionTarget":
        """Fit to the training rows. Raises `InvalidTarget` for missing values and for other than numbers."""
        values = _numbers(frame, names)
        spread = values.max(axis=0) > values.min(axis=0)
        stds = np.where(spread, values.std(axis=0), 1.0)
        return cls(
            kind=kind,
            names=tuple(names),
            means=tuple(values.mean(axis=0).tolist()),
            stds=tuple(stds.tolist()),
        )

    @classmethod
    def fit_amounts(
        cls, frame: pl.DataFrame, names: Sequence[str], kind: Literal["regression", "count"] = "regression"
    ) -> "RegressionTarget":
        """Fit for a loss on logarithms: values that are not negative, in units of their mean; raises as `fit`.

        So the output 0, whose exponential is 1, is the mean, as it is for standardised values.
        """
        means = _numbers(frame, names).mean(axis=0)
        units = np.where(means > 0, means, 1.0)
        return cls(kind=kind, names=tuple(names), means=(0.0,) * len(names), stds=tuple(units.tolist()))

    def clipped(self, frame: pl.DataFrame) -> "RegressionTarget":
        """The same, whose answers stay between the smallest and the largest value of the training rows."""
        values = _numbers(frame, self.names)
        lows, highs = values.min(axis=0).tolist(), values.max(axis=0).tolist()
        return self.model_copy(update={"lows": tuple(lows), "highs": tuple(highs)})

    @property
    def bounds(self) -> NDArray[np.float64] | None:
        """The least and the most that is answered, as encoded values (2, outputs)."""
        if self.lows is None or self.highs is None:
            return None
        return (np.array([self.lows, self.highs]) - self.means) / self.stds

    @property
    def columns(self) -> tuple[str, ...]:
        """One a target."""
        return self.names

    @property
    def outputs(self) -> int:
        """One a column."""
        return len(self.names)

    def encode(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float32]:
        """Standardised values."""
        return ((_numbers(frame, self.names) - self.means) / self.stds).astype(np.float32)

    def truth(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float64]:
        """The columns as they are."""
        return _numbers(frame, self.names)

    def answers(self, outputs: Array) -> NDArray[np.float64]:
        """Outputs times std, plus mean, within the bounds if there are any."""
        answers: NDArray[np.float64] = outputs.astype(np.float64) * self.stds + self.means
        return answers if self.lows is None else np.clip(answers, self.lows, self.highs)

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """One value, or one a target."""
        if len(self.names) == 1:
            return [{"value": value} for (value,) in answers.tolist()]
        return [{"values": dict(zip(self.names, row, strict=True))} for row in answers.tolist()]


def _numbers(frame: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    columns = [complete(frame, name, "numeric") for name in names]
    return np.stack([series.cast(pl.Float64).to_numpy() for series in columns], axis=1)
