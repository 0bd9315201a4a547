"""What is explained: of each encoded row, one number for each class, label or target, by its name.

classes        the probability of each class
multilabel     the probability of each label
values         each target, in its own unit
autoencoding   the mean squared error of the encoded row
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array
from engine.encoding.description import Label

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.table import TableEncoder
    from engine.encoding.target import AnyTarget

Values = Array
"""Numbers in float64."""
Indices = NDArray[np.intp]


class Answering(Protocol):
    """Anything that answers encoded rows: a model, or several of them as one."""

    @property
    def encoder(self) -> "TableEncoder":
        """What made the rows."""
        ...

    @property
    def target(self) -> "AnyTarget":
        """What the answers mean."""
        ...

    def answers_to(self, x: Array) -> NDArray[np.float64]:
        """Probabilities or values of encoded rows x (rows, width)."""
        ...


class Scores:
    """A model's answers as scores."""

    def __init__(self, model: Answering) -> None:
        self.model = model
        self.target = model.target
        self.names = names_of(model.target)
        self.features = model.encoder.features
        self.groups = [np.array(model.encoder.places[feature.name], np.intp) for feature in self.features]
        """The columns of an encoded row that each feature has."""
        forms = [{block.form for block in encoder.blocks} for encoder in model.encoder.columns]
        self.coded = [not one <= {"number", "flag"} for one in forms]
        """Whether a feature's columns are numbers of categories, which have no slope."""

    def __call__(self, x: Array) -> Values:
        """The scores of encoded rows x (rows, width): (rows, names)."""
        x = x.astype(np.float32, copy=False)
        return self.of_answers(self.answers(x), x)

    def answers(self, x: Array) -> Values:
        """The model's answers to encoded rows x."""
        return self.model.answers_to(x)

    def of_answers(self, answers: Values, x: Array) -> Values:
        """The scores of answers (rows, outputs) to x."""
        if self.target.kind == "autoencoding":
            errors: Values = np.square(answers - x).mean(axis=1, keepdims=True)
            return errors
        if self.target.kind == "binary":
            return np.concatenate([1 - answers, answers], axis=1)
        return answers

    def by_feature(self, attributions: Array) -> Values:
        """Sums over the columns of each feature, (rows, width) -> (rows, features)."""
        return np.stack([attributions[:, group].sum(axis=1) for group in self.groups], axis=1)

    def units(self, outputs: Indices) -> Values:
        """What 1 is in the unit of each of these scores: a target's standard deviation, 1 of a probability."""
        if self.target.kind in {"regression", "count"}:
            return np.array(self.target.stds)[outputs]
        return np.ones(len(outputs))


def names_of(target: "AnyTarget") -> tuple[str, ...]:
    """The names of the scores, as the keys of a prediction's probabilities or values."""
    match target.kind:
        case "autoencoding":
            return ("reconstruction_error",)
        case "binary" | "multiclass" | "ordinal":
            return tuple(_text(label) for label in target.classes)
        case "multilabel" | "regression" | "count":
            return target.names


def _text(label: Label) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
