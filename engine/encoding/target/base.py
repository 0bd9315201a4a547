"""The contract of a target, and how a target's column is read."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.arrays import Array
from engine.encoding.columns import cast
from engine.encoding.description import ColumnType
from engine.encoding.errors import InvalidTarget
from engine.spec import Spec
from engine.tasks import Task

Prediction = dict[str, object]
"""One row's answer, as the API sends it."""


class Target(Spec):
    """The contract. `x` is the encoded input (rows, width): what an autoencoder has to reconstruct."""

    kind: Task

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns that hold it."""
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        """The number of the network's outputs."""
        raise NotImplementedError

    def encode(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float32]:
        """What the loss compares with. Raises `InvalidTarget` for values that are missing or unknown."""
        raise NotImplementedError

    def truth(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float64]:
        """What a report compares answers with. Raises as `encode` does."""
        return self.encode(frame, x).astype(np.float64)

    def answers(self, outputs: Array) -> NDArray[np.float64]:
        """The network's outputs, after the link, in the target's own unit."""
        return outputs.astype(np.float64)

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """Each row's prediction."""
        raise NotImplementedError


def complete(frame: pl.DataFrame, name: str, kind: ColumnType | None = None) -> pl.Series:
    """The column, read as `kind`; raises `InvalidTarget` where a value is missing, or all are."""
    if name not in frame.columns:
        raise InvalidTarget(f"there is no column {name!r}", name)
    series = frame.get_column(name)
    if kind is not None:
        series = cast(series.to_frame(), {name: kind}).get_column(name)
    if series.is_empty():
        raise InvalidTarget(f"{name} has no rows", name)
    if series.has_nulls():
        row = series.is_null().arg_max()
        raise InvalidTarget(f"{name} is missing in row {(row or 0) + 1}", name, row)
    return series
