"""Several labels, each of which may hold or not."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array
from engine.encoding.columns import as_text
from engine.encoding.errors import InvalidTarget, shown
from engine.encoding.target.base import Prediction, Target, complete


class MultilabelTarget(Target):
    """Several labels that hold or not, each a column of 0 and 1 or of booleans."""

    kind: Literal["multilabel"] = "multilabel"
    names: tuple[str, ...] = Field(min_length=1)

    @classmethod
    def fit(cls, frame: pl.DataFrame, names: Sequence[str]) -> "MultilabelTarget":
        """Check the columns. Raises `InvalidTarget` for a value that is neither 0, 1, false nor true."""
        target = cls(names=tuple(names))
        for name in names:
            target._column(frame, name)
        return target

    @property
    def columns(self) -> tuple[str, ...]:
        """One a label."""
        return self.names

    @property
    def outputs(self) -> int:
        """One a label."""
        return len(self.names)

    def encode(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float32]:
        """Ones and zeros."""
        return np.stack([self._column(frame, name) for name in self.names], axis=1)

    def _column(self, frame: pl.DataFrame, name: str) -> NDArray[np.float32]:
        text = as_text(complete(frame, name))
        holds = text.is_in(("1", "true"))
        wrong = ~(holds | text.is_in(("0", "false")))
        if wrong.any():
            row = wrong.arg_max() or 0
            raise InvalidTarget(
                f"a multilabel target holds 0 and 1, but {name} holds {shown(text[row])} in row {row + 1}",
                name,
                row,
            )
        return holds.to_numpy().astype(np.float32)

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """The labels with a probability above 1/2 and all probabilities."""
        return [
            {
                "labels": [name for name, p in zip(self.names, row, strict=True) if p > 0.5],
                "probabilities": dict(zip(self.names, row, strict=True)),
            }
            for row in answers.tolist()
        ]
