"""What an autoencoder has to give back, and which rows are anomalies because it cannot."""

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from engine.arrays import Array
from engine.encoding.target.base import Prediction, Target
from engine.spec import Spec

QUANTILES_AT_MOST = 201
CONTRIBUTIONS_AT_MOST = 10


class FeaturePart(Spec):
    """A feature and how many columns of the encoded input are its own."""

    name: str
    width: PositiveInt


class ReconstructionTarget(Target):
    """An autoencoder's: the encoded input itself.

    A row's error is the mean squared error over its encoded columns. How unusual it is, the errors of rows that
    the network was not trained on tell, once they are known.
    """

    kind: Literal["autoencoding"] = "autoencoding"
    width: PositiveInt
    features: tuple[FeaturePart, ...] = Field((), description="What the encoded columns are, in order.")
    anomaly_quantile: float = Field(
        0.99,
        gt=0,
        lt=1,
        description="A row is an anomaly if its error is above this share of the known ones.",
    )
    threshold: float | None = Field(None, description="That error; null where no errors are known.")
    error_quantiles: tuple[float, ...] = Field(
        (), description="Of the known errors, evenly spaced from the smallest to the largest."
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """None: the features are the target."""
        return ()

    @property
    def outputs(self) -> int:
        """As many as encoded inputs."""
        return self.width

    def knowing(self, answers: Array, x: Array) -> "ReconstructionTarget":
        """The same with the errors of rows that are as usual, from their answers and encoded inputs."""
        errors = np.square(answers - x).mean(axis=1)
        steps = np.linspace(0, 1, min(QUANTILES_AT_MOST, len(errors)))
        return self.model_copy(
            update={
                "threshold": float(np.quantile(errors, self.anomaly_quantile)),
                "error_quantiles": tuple(np.quantile(errors, steps).tolist()),
            }
        )

    def encode(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float32]:
        """The input."""
        return x.astype(np.float32, copy=False)

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """Each row's error and the features that it comes from; where errors are known, how unusual it is.

        `anomaly_score` is the share of the known errors that are not larger. `contributions` are the features
        with the largest parts of the error, at most 10; all features' parts sum to it.
        """
        squares = np.square(answers - x)
        errors = squares.mean(axis=1)
        predictions: list[Prediction] = [{"reconstruction_error": error} for error in errors.tolist()]
        if self.threshold is not None:
            steps = np.linspace(0, 1, len(self.error_quantiles))
            scores = np.interp(errors, self.error_quantiles, steps)
            for row, score, is_one in zip(predictions, scores.tolist(), errors > self.threshold, strict=True):
                row |= {"anomaly_score": score, "anomaly": bool(is_one)}
        if self.features:
            for row, parts in zip(predictions, self._contributions(squares), strict=True):
                row["contributions"] = parts
        return predictions

    def _contributions(self, squares: Array) -> list[dict[str, float]]:
        """Each row's largest parts of its error, by feature."""
        ends = np.cumsum([feature.width for feature in self.features])
        parts = np.add.reduceat(squares, [0, *ends[:-1]], axis=1) / self.width
        largest = np.argsort(-parts, axis=1, kind="stable")[:, :CONTRIBUTIONS_AT_MOST]
        names = [feature.name for feature in self.features]
        return [
            {names[i]: value for i, value in zip(order, values, strict=True)}
            for order, values in zip(
                largest.tolist(), np.take_along_axis(parts, largest, axis=1).tolist(), strict=True
            )
        ]
