"""One of several classes, in an order or in none."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array
from engine.encoding.description import ColumnType, Label
from engine.encoding.errors import InvalidTarget, shown
from engine.encoding.target.base import Prediction, Target, complete

Codes = NDArray[np.intp]


class ClassTarget(Target):
    """One of several classes, whose labels keep the column's type.

    binary: one column, 1 for the second class. multiclass: one column a class, 1 in the row's own.
    ordinal: one column for each class but the lowest, 1 where the row's class is that one or a higher one.
    """

    kind: Literal["binary", "multiclass", "ordinal"]
    name: str
    classes: tuple[Label, ...] = Field(
        min_length=2, description="The labels, sorted; of an ordinal target from the lowest to the highest."
    )

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        names: Sequence[str],
        kind: Literal["binary", "multiclass", "ordinal"] | None = None,
        order: Sequence[Label] | None = None,
    ) -> "ClassTarget":
        """Take the labels that occur, or those of `order` in their order. Two are binary unless `kind` says otherwise.

        Raises `InvalidTarget` for missing values, fewer than 2 labels, more than 2 where `kind` is binary,
        and labels that are neither text nor booleans nor whole numbers.
        """
        name = _only(names)
        series = complete(frame, name)
        if not (series.dtype in (pl.String, pl.Boolean) or series.dtype.is_integer()):
            raise InvalidTarget(
                f"{name} has no classes: its values are neither text nor booleans nor whole numbers; "
                "give the column the type categorical if they are names all the same",
                name,
            )
        classes = tuple(series.unique().sort() if order is None else order)
        if len(classes) < 2:
            raise InvalidTarget(f"{name} has the one class {shown(classes[0])} in all rows", name)
        if kind == "binary" and len(classes) > 2:
            raise InvalidTarget(f"{name} has {len(classes)} classes, but a binary task has 2", name)
        return cls(kind=kind or ("binary" if len(classes) == 2 else "multiclass"), name=name, classes=classes)

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.name,)

    @property
    def outputs(self) -> int:
        """The number of classes; one less for binary and ordinal."""
        return len(self.classes) if self.kind == "multiclass" else len(self.classes) - 1

    def codes(self, frame: pl.DataFrame) -> Codes:
        """Each row's index into `classes`, such as `split` takes for strata."""
        series = complete(frame, self.name, self._column_type)
        codes = series.replace_strict(self.classes, range(len(self.classes)), default=None)
        if codes.has_nulls():
            row = codes.is_null().arg_max() or 0
            raise InvalidTarget(
                f"{self.name} holds {shown(series[row])} in row {row + 1}, which is no class of the model",
                self.name,
                row,
            )
        return codes.to_numpy().astype(np.intp)

    @property
    def _column_type(self) -> ColumnType:
        first = self.classes[0]
        if isinstance(first, bool):
            return "boolean"
        return "numeric" if isinstance(first, int) else "categorical"

    def encode(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float32]:
        """Ones and zeros."""
        codes = self.codes(frame)
        if self.kind == "multiclass":
            return self._one_hot(codes)
        return (codes[:, np.newaxis] > np.arange(self.outputs)).astype(np.float32)

    def truth(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float64]:
        """As encoded; for ordered classes one column a class, 1 in the row's own."""
        rows = self._one_hot(self.codes(frame)) if self.kind == "ordinal" else self.encode(frame, x)
        return rows.astype(np.float64)

    def _one_hot(self, codes: Codes) -> NDArray[np.float32]:
        encoded = np.zeros((len(codes), len(self.classes)), np.float32)
        encoded[np.arange(len(codes)), codes] = 1
        return encoded

    def answers(self, outputs: Array) -> NDArray[np.float64]:
        """Probabilities. Of ordered classes: P(class k) = P(above k - 1) - P(above k), from outputs P(above k)."""
        above = outputs.astype(np.float64)
        if self.kind != "ordinal":
            return above
        answers = -np.diff(above, axis=1, prepend=1.0, append=0.0)
        return np.maximum(answers, 0.0, out=answers)

    def winners(self, answers: Array) -> Codes:
        """Each row's predicted class, as an index into `classes`.

        The most probable one, the first of equals. Of ordered classes the median: the lowest one with at least
        half of the probability at or below it, from which the true class is expected to be the fewest ranks away.
        """
        if self.kind == "ordinal":
            median: Codes = (np.cumsum(answers, axis=1)[:, :-1] < 0.5).sum(axis=1)
            return median
        best: Codes = (both_classes(answers) if self.kind == "binary" else answers).argmax(axis=1)
        return best

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """The predicted label and all probabilities."""
        probabilities = both_classes(answers) if self.kind == "binary" else answers
        keys = [label_text(label) for label in self.classes]
        return [
            {"label": self.classes[winner], "probabilities": dict(zip(keys, row, strict=True))}
            for winner, row in zip(self.winners(answers).tolist(), probabilities.tolist(), strict=True)
        ]


def both_classes(positive: Array) -> Array:
    """The probabilities of both classes (rows, 2) from the second one's (rows, 1)."""
    return np.concatenate([1 - positive, positive], axis=1)


def label_text(label: Label) -> str:
    """A label as the key of a JSON object."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _only(names: Sequence[str]) -> str:
    if len(names) != 1:
        raise InvalidTarget(f"classes are one target column, got {len(names)}; several are a multilabel task")
    return names[0]
