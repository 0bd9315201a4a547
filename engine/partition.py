"""Which rows of a table train, and which are kept apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from engine.encoding import ColumnType, DatasetWarning, UnreadableTable
from engine.encoding.columns import cast
from engine.encoding.split import Indices
from engine.folds.choice import choose, marks
from engine.folds.kept_apart import KeptApart, keep_apart
from engine.forecasting.windows import SeriesWindows
from engine.goal import GoalSpec
from engine.losses import AnyLoss
from engine.planning import CLASS_TASKS, check_amounts, with_values
from engine.randomness import Randomness
from engine.spec import InvalidSpec
from engine.tasks import Task
from engine.training import DatasetValidation, NoValidation, TrainingSpec
from engine.trust.learning_curve import nested_order

VALUES_A_PIECE = 4_000_000
"""At most, in the rows that are taken at a time: 32 MB of numbers."""
LONE_CLASSES_TOLD = 10
"""Classes of a single row that are told of each by itself."""


@dataclass(frozen=True)
class Table:
    """Rows with the type of each column."""

    frame: pl.DataFrame
    types: dict[str, ColumnType]
    windows: SeriesWindows | None = None  # what made the rows, where each is a window over time

    def pieces(self, rows: pl.DataFrame, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Rows of the frame a piece at a time, all of whose values are there at least in these columns."""
        return rows.iter_slices(max(VALUES_A_PIECE // max(len(columns), 1), 1))

    def whole(self, rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """The same at once."""
        return rows


@dataclass(frozen=True)
class LearningProblem:
    """What is to be learned from a table, once the task is decided."""

    goal: GoalSpec
    types: dict[str, ColumnType]
    task: Task
    loss: AnyLoss


@dataclass(frozen=True)
class Partition:
    """The rows of a training, typed, all of the table's columns."""

    training: pl.DataFrame
    validation: pl.DataFrame | None
    warnings: list[DatasetWarning]
    rows: pl.DataFrame  # of all networks of the training, those of this one among them
    numbers: Indices  # of these among all that were given
    validating: Indices | None = None  # the numbers of the validation rows among `rows`, if they are of these
    trained: Indices | None = None  # those of the training rows among them; None: all
    calibration: pl.DataFrame | None = None
    test: pl.DataFrame | None = None


def part(
    rows: pl.DataFrame,
    problem: LearningProblem,
    recipe: TrainingSpec,
    randomness: Randomness,
    validation: Table | None,
    member: int | None = None,
) -> Partition:
    """Part the rows that have a target as the recipe says; classes keep their shares.

    `validation`: the table that the recipe names, if it does. `member`: the number of the network whose rows these
    are to be, where the recipe trains several. Raises `InvalidSpec` where rows or table do not do.
    """
    classes = problem.goal.targets[0] if problem.task in CLASS_TASKS else None
    apart = keep_apart(rows, problem.types, recipe, randomness.apart, task=problem.task, classes=classes)
    parted = _part(apart, problem, recipe, randomness, validation, member)
    return replace(parted, calibration=apart.calibration, test=apart.test)


def with_share(
    parted: Partition, share: float, problem: LearningProblem, randomness: Randomness
) -> Partition:
    """The same with a share of the training rows, at least one; classes keep theirs.

    A larger share holds the smaller ones.
    """
    rows = parted.training
    strata = rows[problem.goal.targets[0]].rank("dense").to_numpy() if problem.task in CLASS_TASKS else None
    order = nested_order(rows.height, randomness.shares, strata)
    return replace(parted, training=rows[np.sort(order[: max(round(share * rows.height), 1)])])


def _part(
    apart: KeptApart,
    problem: LearningProblem,
    recipe: TrainingSpec,
    randomness: Randomness,
    validation: Table | None,
    member: int | None,
) -> Partition:
    """Part the rows that are left into those that train and those that validate."""
    rows, numbers = apart.rest, apart.numbers
    if isinstance(recipe.validation, DatasetValidation):
        assert validation is not None, "the caller opens the table that the recipe names"
        frame, warnings = _known_rows(rows, problem, validation)
        return Partition(rows, frame, warnings, rows, numbers)
    if isinstance(recipe.validation, NoValidation):
        return Partition(rows, None, [], rows, numbers)
    labels = rows[problem.goal.targets[0]] if problem.task in CLASS_TASKS else None
    known = marks(rows, problem.types, labels, recipe.validation)
    train, held_out = choose(known, recipe.validation, randomness, member)
    warnings = [] if labels is None or known.strata is None else _of_lone_classes(labels)
    return Partition(rows[train], rows[held_out], warnings, rows, numbers, held_out, train)


def _of_lone_classes(labels: pl.Series) -> list[DatasetWarning]:
    """A warning for each class of a single row, where classes keep their shares; of many one for all."""
    counts = labels.alias("label").value_counts(name="count")
    alone = counts.filter(counts["count"] == 1)["label"].sort()
    details = [f"{label!r} is in one row only, which stays in training" for label in alone]
    if len(details) > LONE_CLASSES_TOLD:
        details = [f"{len(details):,} classes are in one row each, which stays in training"]
    return [DatasetWarning(code="lone_class", column=labels.name, detail=detail) for detail in details]


def _known_rows(
    rows: pl.DataFrame, problem: LearningProblem, table: Table
) -> tuple[pl.DataFrame, list[DatasetWarning]]:
    """The rows of a validation table that have targets, of classes that training knows."""
    at = ("training", "validation", "dataset_id")
    missing = [name for name in rows.columns if name not in table.types]
    if missing:
        raise InvalidSpec(f"the validation data set has no column {missing[0]!r}", at)
    try:
        frame = with_values(cast(table.frame[rows.columns], problem.types), problem.goal.targets)
    except UnreadableTable as error:
        raise InvalidSpec(f"the validation data set: {error.detail}", at) from None
    warnings = []
    if problem.task in CLASS_TASKS:
        target = problem.goal.targets[0]
        known = frame.filter(frame[target].is_in(rows[target].unique().implode()))
        if known.height < frame.height:
            detail = f"{frame.height - known.height} validation rows have unknown classes"
            warnings.append(DatasetWarning(code="missing_target", column=None, detail=detail))
        frame = known
    if frame.is_empty():
        raise InvalidSpec("the validation data set has no rows with a known target", at)
    try:
        check_amounts(problem.goal, problem.task, problem.loss, frame)
    except InvalidSpec as error:
        raise InvalidSpec(f"the validation data set: {error.detail}", at) from None
    return frame, warnings
