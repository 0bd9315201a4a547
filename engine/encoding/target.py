"""What a model predicts: target columns -> the arrays that training compares with, and answers -> words.

Three arrays of (rows, outputs) belong to a target:

    encoded   float32, what the loss compares the network's outputs with: 0 and 1, standardised values
    answers   float64, what the model says: probabilities, values in the column's own unit
    truth     float64, what is compared with answers in a report
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from engine.arrays import Array
from engine.encoding.columns import as_text, cast
from engine.encoding.description import ColumnType, Label
from engine.encoding.errors import InvalidTarget, shown
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


class ClassTarget(Target):
    """One of several classes, whose labels keep the column's type.

    binary: one column, 1 for the second class. multiclass: one column a class, 1 in the row's own.
    """

    kind: Literal["binary", "multiclass"]
    name: str
    classes: tuple[Label, ...] = Field(min_length=2, description="The labels, sorted.")

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        names: Sequence[str],
        kind: Literal["binary", "multiclass"] | None = None,
    ) -> "ClassTarget":
        """Take the labels that occur. Two are binary unless `kind` says otherwise.

        Raises `InvalidTarget` for missing values, fewer than 2 labels, more than 2 where `kind` is binary,
        and labels that are neither text nor booleans nor whole numbers.
        """
        name = _only(names)
        series = _complete(frame, name)
        if not (series.dtype in (pl.String, pl.Boolean) or series.dtype.is_integer()):
            raise InvalidTarget(
                f"{name} has no classes: its values are neither text nor booleans nor whole numbers; "
                "give the column the type categorical if they are names all the same",
                name,
            )
        classes = tuple(series.unique().sort())
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
        """1 for binary, else the number of classes."""
        return 1 if self.kind == "binary" else len(self.classes)

    def codes(self, frame: pl.DataFrame) -> NDArray[np.intp]:
        """Each row's index into `classes`, such as `split` takes for strata."""
        series = _complete(frame, self.name, self._column_type)
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
        if self.kind == "binary":
            return codes.astype(np.float32)[:, np.newaxis]
        encoded = np.zeros((len(codes), len(self.classes)), np.float32)
        encoded[np.arange(len(codes)), codes] = 1
        return encoded

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """The most probable label (the first of equals) and all probabilities."""
        probabilities = both_classes(answers) if self.kind == "binary" else answers
        keys = [label_text(label) for label in self.classes]
        winners = probabilities.argmax(axis=1).tolist()
        return [
            {"label": self.classes[winner], "probabilities": dict(zip(keys, row, strict=True))}
            for winner, row in zip(winners, probabilities.tolist(), strict=True)
        ]


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
        text = as_text(_complete(frame, name))
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


class RegressionTarget(Target):
    """One or several numbers, standardised for training: (y - mean) / std of the training rows.

    For a loss on logarithms 0 stays 0: `means` are 0 then, and `stds` hold the means.
    """

    kind: Literal["regression"] = "regression"
    names: tuple[str, ...] = Field(min_length=1)
    means: tuple[float, ...]
    stds: tuple[float, ...] = Field(
        description="Of the population; 1 for a constant. For a loss on logarithms: the columns' means."
    )

    @classmethod
    def fit(cls, frame: pl.DataFrame, names: Sequence[str]) -> "RegressionTarget":
        """Fit to the training rows. Raises `InvalidTarget` for missing values and for other than numbers."""
        values = _numbers(frame, names)
        spread = values.max(axis=0) > values.min(axis=0)
        stds = np.where(spread, values.std(axis=0), 1.0)
        return cls(names=tuple(names), means=tuple(values.mean(axis=0).tolist()), stds=tuple(stds.tolist()))

    @classmethod
    def fit_amounts(cls, frame: pl.DataFrame, names: Sequence[str]) -> "RegressionTarget":
        """Fit for a loss on logarithms: values that are not negative, in units of their mean; raises as `fit`.

        So the output 0, whose exponential is 1, is the mean, as it is for standardised values.
        """
        means = _numbers(frame, names).mean(axis=0)
        units = np.where(means > 0, means, 1.0)
        return cls(names=tuple(names), means=(0.0,) * len(names), stds=tuple(units.tolist()))

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
        """Outputs times std, plus mean."""
        return outputs.astype(np.float64) * self.stds + self.means

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """One value, or one a target."""
        if len(self.names) == 1:
            return [{"value": value} for (value,) in answers.tolist()]
        return [{"values": dict(zip(self.names, row, strict=True))} for row in answers.tolist()]


class ReconstructionTarget(Target):
    """An autoencoder's: the encoded input itself."""

    kind: Literal["autoencoding"] = "autoencoding"
    width: PositiveInt

    @property
    def columns(self) -> tuple[str, ...]:
        """None: the features are the target."""
        return ()

    @property
    def outputs(self) -> int:
        """As many as encoded inputs."""
        return self.width

    def encode(self, frame: pl.DataFrame, x: Array) -> NDArray[np.float32]:
        """The input."""
        return x.astype(np.float32, copy=False)

    def decode(self, answers: Array, x: Array) -> list[Prediction]:
        """Each row's mean squared error, in the unit of the encoded input."""
        errors = np.square(answers - x).mean(axis=1)
        return [{"reconstruction_error": error} for error in errors.tolist()]


AnyTarget = Annotated[
    ClassTarget | MultilabelTarget | RegressionTarget | ReconstructionTarget, Field(discriminator="kind")
]
"""Any target, told apart by `kind`, which is the task's name."""


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


def _complete(frame: pl.DataFrame, name: str, kind: ColumnType | None = None) -> pl.Series:
    """The column, read as `kind`, if no value is missing in it."""
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


def _numbers(frame: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    columns = [_complete(frame, name, "numeric") for name in names]
    return np.stack([series.cast(pl.Float64).to_numpy() for series in columns], axis=1)
