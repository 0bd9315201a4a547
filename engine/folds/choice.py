"""Which rows of a table train a network and which validate it, as the recipe's validation says."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding import ColumnType
from engine.encoding.errors import no_column
from engine.encoding.split import Indices, split
from engine.folds.drawing import (
    Part,
    TooFew,
    expanding_windows,
    group_k_fold,
    group_split,
    k_fold,
    stratified_k_fold,
    time_split,
)
from engine.forecasting.windows import FIRST, LAST
from engine.randomness import Randomness
from engine.spec import InvalidSpec
from engine.training import FractionValidation, KFoldValidation

_AT = ("training", "validation")
_GROUPS = frozenset({"numeric", "categorical", "boolean", "datetime", "text"})
_TIMES = frozenset({"numeric", "datetime"})


@dataclass(frozen=True)
class Marks:
    """What is known of each of some rows when they are parted; None: nothing."""

    rows: int
    strata: NDArray[np.generic] | None  # its class, where classes are to keep their shares
    groups: Indices | None
    times: NDArray[np.generic] | None
    ends: NDArray[np.generic] | None  # when it ends, where it lasts for a time


def marks(
    rows: pl.DataFrame,
    types: Mapping[str, ColumnType],
    labels: pl.Series | None,
    validation: FractionValidation | KFoldValidation,
) -> Marks:
    """What the class of each of the rows, if it has one, and the validation's columns say.

    Raises `InvalidSpec` at a column that cannot say it.
    """
    free = validation.group is None and validation.time is None
    shares = free and (isinstance(validation, FractionValidation) or validation.stratified)
    return Marks(
        rows=rows.height,
        strata=labels.alias("labels").rank("dense").to_numpy() if labels is not None and shares else None,
        groups=None if validation.group is None else _groups(rows, types, validation.group),
        times=None if validation.time is None else _times(rows, types, validation.time),
        ends=_times(rows, types, LAST) if validation.time == FIRST and LAST in types else None,
    )


def choose(
    known: Marks,
    validation: FractionValidation | KFoldValidation,
    randomness: Randomness,
    member: int | None,
) -> Part:
    """The rows of one network; `member`: its number among several. Raises `InvalidSpec` for too few rows."""
    try:
        if isinstance(validation, FractionValidation):
            return share_of(known, validation.fraction, randomness.split)
        repeat, fold = divmod(member or 0, validation.folds)
        return _folds(known, validation, randomness.folds(repeat))[fold]
    except TooFew as error:
        raise InvalidSpec(str(error), _AT) from None


def share_of(known: Marks, fraction: float, rng: np.random.Generator) -> Part:
    """Keep a fraction of the rows from the others, as their marks say; raises `TooFew`."""
    if known.groups is not None:
        return group_split(known.groups, fraction, rng)
    if known.times is not None:
        return time_split(known.times, fraction, known.ends)
    return split(known.rows, fraction, rng, known.strata)


def _folds(known: Marks, validation: KFoldValidation, rng: np.random.Generator) -> list[Part]:
    folds = validation.folds
    if known.groups is not None:
        return group_k_fold(known.groups, folds, rng)
    if known.times is not None:
        return expanding_windows(known.times, folds, known.ends)
    if known.strata is not None:
        return stratified_k_fold(known.strata, folds, rng)
    return k_fold(known.rows, folds, rng)


def _groups(rows: pl.DataFrame, types: Mapping[str, ColumnType], name: str) -> Indices:
    """Each row's group as a number; rows without a value are one group."""
    _check(types, name, "group", _GROUPS)
    codes: Indices = rows[name].alias("group").rank("dense").fill_null(0).to_numpy().astype(np.intp)
    return codes


def _times(rows: pl.DataFrame, types: Mapping[str, ColumnType], name: str) -> NDArray[np.generic]:
    _check(types, name, "time", _TIMES)
    if missing := rows[name].null_count():
        raise InvalidSpec(
            f"{name!r} is missing in {missing} rows, which have no place in time", (*_AT, "time")
        )
    times: NDArray[np.generic] = rows[name].alias("time").to_physical().to_numpy()
    return times


def _check(types: Mapping[str, ColumnType], name: str, field: str, allowed: frozenset[str]) -> None:
    if name not in types:
        raise InvalidSpec(no_column(name, types), (*_AT, field))
    if types[name] not in allowed:
        raise InvalidSpec(
            f"{name!r} is {types[name]}; a column of {field}s is {' or '.join(sorted(allowed))}",
            (*_AT, field),
        )
