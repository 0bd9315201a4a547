"""Child process: the rows that an explanation rests on, and which of them the model was trained on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from app.jobs.assignment import Assignment
from app.jobs.planner import fitting_of
from app.problems import Invalid
from engine.arrays import Array
from engine.encoding import UnreadableTable
from engine.encoding.columns import cast
from engine.encoding.errors import InvalidTarget
from engine.ensemble import Ensemble
from engine.explaining.differentiable import members_of
from engine.explaining.scores import Indices, Values
from engine.explaining.tables import Known, present, sample
from engine.folds.out_of_fold import Kept
from engine.predictor import Predictor
from engine.row_losses import RowHistory
from engine.spec import InvalidSpec

ALL_ROWS = "all rows of the data set; which of them were trained on is not known"


@dataclass(frozen=True)
class Rows:
    """Rows of a data set with the model's features, typed."""

    model: Predictor
    frame: pl.DataFrame
    numbers: Indices  # of the rows in the data set, from 0
    untrained: Known | None  # (networks, rows), whether a network was not trained on a row; None: not known
    own: bool  # whether the model learned from this data set

    def taken(self, places: Indices) -> "Rows":
        """Some of them."""
        untrained = None if self.untrained is None else self.untrained[:, places]
        return Rows(self.model, self.frame[places], self.numbers[places], untrained, self.own)

    def at_most(self, most: int) -> "Rows":
        """All, or as many drawn from them."""
        return self if len(self.numbers) <= most else self.taken(sample(len(self.numbers), most))

    @cached_property
    def held_out(self) -> Known | None:
        """Whether no network of the model was trained on a row; None: not known."""
        return None if self.untrained is None else np.asarray(self.untrained.all(axis=0))

    @cached_property
    def trained_on(self) -> "Rows":
        """Those that the model was trained on; all where that is not known."""
        if self.held_out is None or self.held_out.all():
            return self
        return self.taken(np.flatnonzero(~self.held_out))

    @property
    def trained_on_in_words(self) -> str:
        """Which rows `trained_on` are."""
        if self.held_out is None:
            return ALL_ROWS
        none = "rows that the model was not trained on: none of the data set were"
        return none if self.held_out.all() else "rows that the model was trained on"

    @cached_property
    def unseen(self) -> tuple[list[tuple[Predictor, "Rows"]], str]:
        """Models and rows that they were not trained on, and in words which they are.

        It is the whole model and the rows of none of its networks, where there are any; else each network with its own.
        """
        if self.untrained is None or self.held_out is None:
            return [(self.model, self)], ALL_ROWS
        if self.held_out.any():
            words = "rows that the model was not trained on"
            return [(self.model, self.taken(np.flatnonzero(self.held_out)))], words
        if not self.untrained.any():
            return [(self.model, self)], "rows that the model was trained on: none were kept apart"
        of_networks: list[tuple[Predictor, Rows]] = [
            (network, self.taken(np.flatnonzero(untrained)))
            for network, untrained in zip(members_of(self.model), self.untrained, strict=True)
            if untrained.any()
        ]
        return (
            of_networks,
            "for each network of the model rows that it was not trained on; the mean of what they say",
        )

    def answered(self, x: Array) -> tuple[Values, Known | None]:
        """The model's answers to the rows, encoded x, and whether each is by networks that did not train on it.

        Of a model of several networks they are the out-of-fold answers, where its file keeps them. Of rows whose
        losses a training has kept they are the mean over that training.
        """
        answers, unseen = self.model.answers_to(x), self.held_out
        if self.history is not None:
            places, known = self.history.places(self.numbers)
            answers[known] = self.history.answers[places[known]]
        kept = Kept.of(self.model.further) if isinstance(self.model, Ensemble) and self.own else None
        if kept is None:
            return answers, unseen
        places = np.minimum(np.searchsorted(kept.row, self.numbers), len(kept.row) - 1)
        known = kept.row[places] == self.numbers
        told = self.model.assurance.scaled(kept.answers, self.model.target.kind)
        answers[known] = told[places[known]]
        return answers, known if unseen is None else known | unseen

    @cached_property
    def history(self) -> RowHistory | None:
        """What the training kept of its rows, where it did and these are of its data set."""
        return RowHistory.of(self.model.further) if self.own else None

    @cached_property
    def with_target(self) -> "Rows":
        """Those whose target is there and known to the model; raises `Invalid` where there are none."""
        target = self.model.target
        if absent := [name for name in target.columns if name not in self.frame.columns]:
            raise Invalid.at(
                "/dataset_id", f"the data set has no column {', '.join(map(repr, absent))}, the target"
            )
        known = np.ones(len(self.numbers), bool)
        for name in target.columns:
            known &= present(self.frame[name])
        if not known.any():
            raise Invalid.at("/dataset_id", f"no row has a value of {' and '.join(target.columns)}")
        kept = self.taken(np.flatnonzero(known))
        try:
            target.truth(kept.frame[:1], np.zeros((1, self.model.encoder.width), np.float32))
        except InvalidTarget as error:
            raise Invalid.at("/dataset_id", error.detail) from None
        return kept


def rows_of(model: Predictor, table: pl.DataFrame, assignment: Assignment | None) -> Rows:
    """The rows of a table; raises `Invalid` where a feature is missing or has values of another type.

    `assignment`: the training that the model comes from, where the table is the one that it learned from.
    """
    types = {feature.name: feature.type for feature in model.features}
    if absent := [name for name in types if name not in table.columns]:
        raise Invalid.at("/dataset_id", f"the data set has no column {', '.join(map(repr, absent))}")
    if not table.height:
        raise Invalid.at("/dataset_id", "the data set has no rows")
    targets = [name for name in model.target.columns if name in table.columns and name not in types]
    try:
        frame = cast(table[[*types, *targets]], types)
    except UnreadableTable as error:
        raise Invalid.at("/dataset_id", error.detail) from None
    untrained = None if assignment is None else _untrained(model, assignment, table.height)
    return Rows(model, frame, np.arange(table.height), untrained, assignment is not None)


def _untrained(model: Predictor, assignment: Assignment, rows: int) -> Known | None:
    """Which rows each network did not learn from (networks, rows); None where that cannot be said.

    The same seed parts the rows as it did then.
    """
    try:
        trained = fitting_of(assignment).trained_numbers
    except (InvalidSpec, UnreadableTable):  # a column has another type by now, or recipes are read otherwise
        return None
    if len(trained) != len(members_of(model)):
        return None
    untrained = np.ones((len(trained), rows), bool)
    for network, numbers in zip(untrained, trained, strict=True):
        network[numbers] = False
    return untrained
