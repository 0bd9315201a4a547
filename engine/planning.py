"""What a wish means for the table at hand: task, rows and features, and the network where none is given.

Everything that can be wrong with a wish is found before anything is trained, and raised as
`InvalidSpec` with the path of the field to blame: `target`, `features/2`, `training/loss`,
`network/layers/1`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import polars as pl

from engine.encoding import ColumnType, DatasetWarning
from engine.encoding.array_columns import shape_of
from engine.encoding.description import NESTED
from engine.encoding.errors import no_column, shown
from engine.encoding.profile import IDENTIFIER_ROWS
from engine.encoding.split import Indices
from engine.goal import GoalSpec
from engine.losses import AnyLoss, DevianceSpec
from engine.recipes import Alone
from engine.spec import InvalidSpec, Path
from engine.tasks import Task

MIN_ROWS = 10
MAX_CLASSES_OF_INTEGERS = 20
MAX_CLASSES = 1000
CLASS_TASKS = frozenset[Task]({"binary", "multiclass", "ordinal"})
"""The tasks whose target is one column of classes."""


def decide_task(goal: GoalSpec, frame: pl.DataFrame, types: Mapping[str, ColumnType]) -> tuple[Task, str]:
    """The task and the reason for it. `frame` holds the rows whose targets are all there."""
    targets = goal.targets
    if goal.task != "auto":
        return goal.task, "as asked for"
    if not targets:
        return "autoencoding", "there is no target"
    if goal.target_order is not None:
        return "ordinal", "the order of the classes is given"
    if len(targets) > 1:
        return "regression", f"{len(targets)} targets; several 0/1 columns as labels: ask for multilabel"
    return _task_of(frame[targets[0]], types[targets[0]])


def _task_of(column: pl.Series, kind: ColumnType) -> tuple[Task, str]:
    """The task of one target column, and the reason for it."""
    name = column.name
    distinct = column.n_unique()
    if kind == "numeric":
        if not column.dtype.is_integer():
            return "regression", f"{name!r} holds numbers with fractions"
        if distinct > MAX_CLASSES_OF_INTEGERS:
            return "regression", f"{name!r} holds integers with {distinct} distinct values, more than 20"
        what = f"integers with {distinct} distinct values, at most 20"
    else:
        what = f"{kind} values, {distinct} distinct"
    return ("binary" if distinct == 2 else "multiclass"), f"{name!r} holds {what}"


def rows_with_target(goal: GoalSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows whose targets are all there.

    Raises `InvalidSpec` for a target that is no column or has no value, and for too few rows.
    """
    if len(set(goal.targets)) != len(goal.targets):
        raise InvalidSpec("a target is named twice", ("target",))
    for i, name in enumerate(goal.targets):
        if name not in frame.columns:
            raise InvalidSpec(no_column(name, frame.columns), _at(goal, i))
        if frame[name].null_count() == frame.height:
            raise InvalidSpec(f"{name!r} has no value in any row", _at(goal, i))
    kept = with_values(frame, goal.targets)
    if kept.height < MIN_ROWS:
        what = "rows with a target" if goal.targets else "rows"
        raise InvalidSpec(f"there are {kept.height} {what}; at least {MIN_ROWS} are needed", ("target",))
    return kept


def with_values(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows without a missing value in these columns; names are never taken as patterns."""
    for name in names:
        if frame[name].has_nulls():
            frame = frame.filter(frame[name].is_not_null())
    return frame


def numbers_with_values(frame: pl.DataFrame, names: Sequence[str]) -> Indices:
    """The numbers, from 0, of the rows that `with_values` keeps."""
    complete = np.ones(frame.height, np.bool_)
    for name in names:
        complete &= frame[name].is_not_null().to_numpy()
    return np.flatnonzero(complete)


def check_target(goal: GoalSpec, task: Task, frame: pl.DataFrame, types: Mapping[str, ColumnType]) -> None:
    """Raise `InvalidSpec` where the targets cannot be learned as `task`."""
    targets = goal.targets
    if task == "autoencoding" and targets:
        raise InvalidSpec("autoencoding reconstructs the features: leave out the target", ("target",))
    if task != "autoencoding" and not targets:
        raise InvalidSpec(f"{task} needs a target", ("target",))
    if task in CLASS_TASKS and len(targets) != 1:
        raise InvalidSpec(f"{task} takes one target, not {len(targets)}", ("target",))
    for i, name in enumerate(targets):
        detail = _why_not(task, frame[name], types[name])
        if detail is not None:
            raise InvalidSpec(detail, _at(goal, i))
    detail = _why_no_order(goal, task, frame, types)
    if detail is not None:
        raise InvalidSpec(detail, ("target_order",))


def check_amounts(goal: GoalSpec, task: Task, loss: AnyLoss, frame: pl.DataFrame) -> None:
    """Raise `InvalidSpec` where a loss on logarithms does not take the targets' numbers."""
    if task not in {"regression", "count"} or not isinstance(loss, DevianceSpec):
        return
    what = "not negative" if loss.allows_zero else "positive"
    for i, name in enumerate(goal.targets):
        wrong = int((frame[name] < 0 if loss.allows_zero else frame[name] <= 0).sum())
        if wrong:
            raise InvalidSpec(
                f"{loss.kind} takes targets that are {what}, but {name!r} is not in {wrong} of {frame.height} rows",
                _at(goal, i),
            )


def _why_not(task: Task, column: pl.Series, kind: ColumnType) -> str | None:
    """Why a column cannot be a target of `task`, if so."""
    name = column.name
    if task in {"regression", "count"}:
        if kind != "numeric":
            return f"{task} needs numbers, but {name!r} is {kind}"
        return _why_no_counts(column) if task == "count" else None
    if kind == "datetime":
        return f"{name!r} holds times, which are no classes"
    if kind in NESTED:
        return f"{name!r} holds an {kind} in each row, which is no target"
    if task == "multilabel":
        return None  # MultilabelTarget.fit looks at the values
    return _why_no_classes(task, column, kind)


def _why_no_counts(column: pl.Series) -> str | None:
    if not column.dtype.is_integer():
        return f"counts are whole numbers, but {column.name!r} holds numbers with fractions"
    negative = int((column < 0).sum())
    return f"counts are not negative, but {column.name!r} is in {negative} rows" if negative else None


def _why_no_order(
    goal: GoalSpec, task: Task, frame: pl.DataFrame, types: Mapping[str, ColumnType]
) -> str | None:
    """Why the order of the classes cannot be used, or is needed, if so."""
    order = goal.target_order
    if task != "ordinal":
        return None if order is None else f"{task} knows no order of classes: leave it out"
    column = frame[goal.targets[0]]
    if order is None:
        if types[column.name] in {"numeric", "boolean"}:
            return None
        return f"the values of {column.name!r} have no order of their own: list them from the lowest to the highest"
    known = {(type(label), label) for label in order}
    if len(known) < len(order):
        return "a class is named twice"
    unknown = [label for label in column.unique(maintain_order=True) if (type(label), label) not in known]
    return f"{column.name!r} also holds {shown(unknown[0])}" if unknown else None


def counts_note(goal: GoalSpec, task: Task, frame: pl.DataFrame) -> str | None:
    """What the plan says of numbers that are counts, where the task was not asked for."""
    columns = [frame[name] for name in goal.targets]
    if task != "regression" or goal.task != "auto" or any(map(_why_no_counts, columns)):
        return None
    return (
        "the target holds whole numbers that are not negative; if they are counts, "
        'the task "count" may suit them better'
    )


def weights_note(goal: GoalSpec) -> str | None:
    """What the plan says of rows that have weights."""
    if goal.sample_weight is None:
        return None
    return (
        f"{goal.sample_weight!r} says how much a row counts in training and in its history; the report, the "
        "temperature, the sets and intervals and the simpler models count all rows alike, those of weight 0 too"
    )


def _why_no_classes(task: Task, column: pl.Series, kind: ColumnType) -> str | None:
    name, distinct = column.name, column.n_unique()
    if kind == "numeric" and not column.dtype.is_integer():
        return (
            f"{name!r} holds numbers with fractions, which are no classes; if they are names all the same, "
            "give the column the type categorical"
        )
    if distinct < 2:
        return f"{name!r} holds the one class {shown(column[0])} in all rows: there is nothing to learn"
    if distinct == len(column) > 2:
        return f"each value of {name!r} is in one row only: there is no class to learn from several rows"
    if task == "binary" and distinct > 2:
        return f"binary needs two classes, but {name!r} has {distinct}"
    if distinct > MAX_CLASSES:
        return f"{name!r} has {distinct} classes; at most {MAX_CLASSES} are allowed"
    return None


def _at(goal: GoalSpec, i: int) -> Path:
    return ("target",) if isinstance(goal.target, str) else ("target", i)


def choose_features(
    goal: GoalSpec, types: Mapping[str, ColumnType], *, apart: str | None = None
) -> list[str]:
    """The columns to learn from, as asked for or all that are not target or weight.

    `apart`: a column that is none either unless it is asked for.
    """
    taken = {*goal.targets, goal.sample_weight}
    if goal.features is None:
        return [name for name in types if name not in taken | {apart}]
    for i, name in enumerate(goal.features):
        if name not in types:
            raise InvalidSpec(no_column(name, types), ("features", i))
        if name in taken:
            raise InvalidSpec(
                f"{name!r} is the target or the weight; it cannot be a feature too", ("features", i)
            )
    if len(set(goal.features)) != len(goal.features):
        raise InvalidSpec("a feature is named twice", ("features",))
    return list(goal.features)


def row_numbers_among(
    goal: GoalSpec, frame: pl.DataFrame, features: Sequence[str]
) -> Iterator[DatasetWarning]:
    """A warning for each feature that nobody asked for and that numbers the rows, as the profile has it."""
    held = [] if goal.features is not None else [name for name in features if name in frame.columns]
    for column in frame[held]:  # a large table holds few of its columns
        if not column.dtype.is_integer() or column.has_nulls() or len(column) < IDENTIFIER_ROWS:
            continue
        if cast("int", column.max()) - cast("int", column.min()) == len(column) - 1 == column.n_unique() - 1:
            detail = (
                f"{column.name} looks like an identifier: no value occurs twice. It is learned from all the same, "
                "since it may be a time; if it is none, name the features without it"
            )
            yield DatasetWarning(code="identifier", column=column.name, detail=detail)


def only_feature(
    goal: GoalSpec, frame: pl.DataFrame, types: Mapping[str, ColumnType], features: Sequence[str]
) -> Alone | None:
    """The only feature, where it is a column of images, of arrays, or of a series' windows."""
    match [types[name] for name in features]:
        case ["image"]:
            return Alone("image", shape_of(frame[features[0]]))
        case ["array"]:
            return Alone("array" if goal.series is None else "window", shape_of(frame[features[0]]))
        case _:
            return None
