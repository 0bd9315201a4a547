"""A wish about a series as one about a table of windows, which all that trains from tables then carries out."""

from typing import NamedTuple

from engine.encoding.description import ColumnType, Feature
from engine.encoding.errors import UnreadableTable, no_column
from engine.forecasting.spec import SeriesSpec
from engine.forecasting.windows import FIRST, WEIGHT, WINDOW, SeriesWindows
from engine.goal import GoalSpec
from engine.partition import Table
from engine.spec import InvalidSpec
from engine.training import FractionValidation, KFoldValidation, TrainingSpec

NUMBERS = frozenset[ColumnType]({"numeric", "boolean"})
"""Types of columns that windows hold."""
TIMES = frozenset[ColumnType]({"numeric", "datetime"})
GROUPS = frozenset[ColumnType]({"numeric", "categorical", "boolean", "text"})


class Examples(NamedTuple):
    """A wish, its tables and its training in terms of windows."""

    table: Table
    goal: GoalSpec
    training: TrainingSpec
    validation: Table | None


def as_examples(
    table: Table, goal: GoalSpec, training: TrainingSpec, validation: Table | None = None
) -> Examples:
    """Turn the tables into tables of windows. Raises `InvalidSpec` with the path of the field to blame."""
    assert goal.series is not None, "a wish about a series"
    windows = _windows(goal, goal.series, table)
    made = goal.model_copy(
        update={
            "target": windows.answers if len(windows.answers) > 1 else windows.answers[0],
            "features": (WINDOW,),
            "sample_weight": goal.sample_weight and WEIGHT,
            "task": "regression",
        }
    )
    return Examples(
        table=_examples(windows, goal, table, ("series",)),
        validation=validation
        and _examples(windows, goal, validation, ("training", "validation", "dataset_id")),
        goal=made,
        training=_in_time(training, goal.series),
    )


def _windows(goal: GoalSpec, series: SeriesSpec, table: Table) -> SeriesWindows:
    types = table.types
    _check(types, series.time, TIMES, "series", "time")
    if series.group is not None:
        _check(types, series.group, GROUPS, "series", "group")
    if goal.task not in {"auto", "regression"}:
        raise InvalidSpec(f"a series is forecast as numbers, by regression, not by {goal.task}", ("task",))
    if not goal.targets:
        raise InvalidSpec("a series needs a target: the column that is forecast", ("target",))
    if len(set(goal.targets)) != len(goal.targets):
        raise InvalidSpec("a target is named twice", ("target",))
    for name in goal.targets:
        _check(types, name, frozenset({"numeric"}), "target")
    apart = {series.time, series.group, goal.sample_weight, *goal.targets}
    if goal.sample_weight is not None:
        _check(types, goal.sample_weight, frozenset({"numeric"}), "sample_weight")
    if goal.features is None:
        others = [name for name, kind in types.items() if kind in NUMBERS and name not in apart]
    else:
        for i, name in enumerate(goal.features):
            _check(types, name, NUMBERS, "features", i)
        others = [name for name in goal.features if name not in apart]
    named = list(dict.fromkeys(filter(None, (series.time, series.group, *goal.targets, *others))))
    if len(named) < len(others) + len(goal.targets) + 1 + (series.group is not None):
        raise InvalidSpec("time, group and targets are different columns", ("series",))
    return SeriesWindows(
        series=series,
        targets=goal.targets,
        columns=tuple(Feature(name=name, type=types[name]) for name in named),
    )


def _check(types: dict[str, ColumnType], name: str, allowed: frozenset[ColumnType], *path: str | int) -> None:
    if name not in types:
        raise InvalidSpec(no_column(name, types), path)
    if types[name] not in allowed:
        raise InvalidSpec(f"{name!r} is {types[name]}; here it is to be {' or '.join(sorted(allowed))}", path)


def _examples(windows: SeriesWindows, goal: GoalSpec, table: Table, path: tuple[str, ...]) -> Table:
    try:
        frame = windows.examples(table.frame, goal.sample_weight)
    except UnreadableTable as error:
        raise InvalidSpec(error.detail, path) from None
    kinds: dict[str, ColumnType] = {WINDOW: "array"}
    kinds |= dict.fromkeys((name for name in frame.columns if name != WINDOW), "numeric")
    return Table(frame, kinds, windows)


def _in_time(training: TrainingSpec, series: SeriesSpec) -> TrainingSpec:
    """The training with rows that validate later than all that is trained on."""
    validation = training.validation
    if not isinstance(validation, FractionValidation | KFoldValidation):
        return training
    if validation.group is not None:
        raise InvalidSpec(
            "windows are parted in the order of time: leave it out", ("training", "validation", "group")
        )
    if validation.time not in {None, series.time, FIRST}:
        raise InvalidSpec(
            f"a series is in the order of {series.time!r}: leave it out", ("training", "validation", "time")
        )
    if isinstance(validation, KFoldValidation) and validation.repeats > 1:
        raise InvalidSpec(
            "windows in the order of time can be parted in one way only: leave it out",
            ("training", "validation", "repeats"),
        )
    made = validation.model_validate({**validation.model_dump(), "time": FIRST})
    return training.model_copy(update={"validation": made})
