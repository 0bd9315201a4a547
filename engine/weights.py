"""What each row counts in the loss: its own weight times its class's."""

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding.errors import no_column
from engine.encoding.split import balanced_weights
from engine.encoding.target import AnyTarget, ClassTarget, label_text
from engine.spec import InvalidSpec

Weights = NDArray[np.float32]


class RowWeights:
    """The weights of rows of a table; settled on the training rows."""

    def __init__(
        self,
        column: str | None,
        by_class: Literal["balanced"] | dict[str, float] | None,
        rows: pl.DataFrame,
        target: AnyTarget,
    ) -> None:
        """`column` holds each row's own weight; `by_class` names labels' weights, or balances the classes.

        Raises `InvalidSpec` at `sample_weight` or `training/class_weights` where that makes no sense.
        """
        self._column = column
        self._target = target
        self._of_class = None if by_class is None else _class_weights(by_class, rows, target)
        self.of(rows)  # raises where the column cannot be a weight

    def of(self, rows: pl.DataFrame) -> Weights | None:
        """(rows,), or None where all count 1. Raises `InvalidSpec` at `sample_weight`."""
        weight = None if self._column is None else _own_weights(self._column, rows)
        if self._of_class is None:
            return weight
        assert isinstance(self._target, ClassTarget)
        by_class = self._of_class[self._target.codes(rows)]
        return by_class if weight is None else weight * by_class

    def check(self, rows: pl.DataFrame) -> None:
        """Raise `InvalidSpec` where none of the rows, which are to validate, counts anything."""
        weight = self.of(rows)
        if weight is not None and weight.max() <= 0:
            detail = "they leave no weight to the rows that validate, whose classes do not occur in training"
            raise InvalidSpec(detail, ("training", "class_weights"))


def _own_weights(name: str, rows: pl.DataFrame) -> Weights:
    at = ("sample_weight",)
    if name not in rows.columns:
        raise InvalidSpec(no_column(name, rows.columns), at)
    if not rows[name].dtype.is_numeric() or rows[name].has_nulls():
        raise InvalidSpec(f"{name!r} must hold a number in every row to be a weight", at)
    weight = rows[name].to_numpy().astype(np.float32)
    if weight.min() < 0 or weight.max() <= 0:
        raise InvalidSpec(f"{name!r} must be 0 or more in every row, and above 0 in some, to be a weight", at)
    return weight


def _class_weights(
    given: Literal["balanced"] | dict[str, float], rows: pl.DataFrame, target: AnyTarget
) -> Weights:
    """The weight of each class, in the order of the target's classes."""
    at = ("training", "class_weights")
    if not isinstance(target, ClassTarget):
        raise InvalidSpec(f"class weights make no sense for {target.kind}", at)
    if given == "balanced":
        return balanced_weights(target.codes(rows), len(target.classes))
    assert isinstance(given, dict)
    labels = [label_text(label) for label in target.classes]
    for label in given:
        if label not in labels:
            raise InvalidSpec(f"there is no class {label!r}; there are {', '.join(labels)}", (*at, label))
    return np.array([given.get(label, 1.0) for label in labels], np.float32)
