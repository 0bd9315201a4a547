"""The rows that neither train nor validate: those of the test and those of the calibration."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from engine.encoding import ColumnType
from engine.encoding.split import Indices
from engine.folds.choice import marks, share_of
from engine.folds.drawing import TooFew
from engine.forecasting.windows import FIRST, LAST
from engine.planning import MIN_ROWS
from engine.spec import InvalidSpec
from engine.tasks import Task
from engine.training import FractionValidation, KFoldValidation, TrainingSpec
from engine.training.apart import MOST_CALIBRATION_ROWS
from engine.trust.assurance import CONFORMAL


@dataclass(frozen=True)
class KeptApart:
    """The rows of a table, parted."""

    rest: pl.DataFrame  # that train and validate
    calibration: pl.DataFrame | None
    test: pl.DataFrame | None
    numbers: Indices  # of the rest among all rows


def keep_apart(
    rows: pl.DataFrame,
    types: Mapping[str, ColumnType],
    recipe: TrainingSpec,
    rng: np.random.Generator,
    *,
    task: Task,
    classes: str | None,
) -> KeptApart:
    """Take the recipe's test rows and then its calibration rows from `rows`; without any, nothing is drawn.

    `classes`: the column whose classes keep their shares, if the task has one. Whole groups are taken, or the last rows
    by time, where the validation takes such. Raises `InvalidSpec` where too few rows are left, and for calibration
    rows of a task that has neither sets nor intervals.
    """
    if recipe.calibration is not None and task not in CONFORMAL:
        detail = f"{task} has neither sets nor intervals that could be learned from them: leave it out"
        raise InvalidSpec(detail, ("training", "calibration"))
    apart: dict[str, pl.DataFrame] = {}
    rest, numbers = rows, np.arange(rows.height)
    for name, wanted in _wanted(recipe, rows.height).items():
        try:
            kept, taken = _parted(rest, types, recipe, wanted / rest.height, rng, classes)
        except TooFew as error:
            raise InvalidSpec(str(error), ("training", name)) from None
        rest, apart[name], numbers = rest[kept], rest[taken], numbers[kept]
        if rest.height < MIN_ROWS:
            detail = (
                f"{rest.height} of {rows.height} rows are left to train on; at least {MIN_ROWS} are needed"
            )
            raise InvalidSpec(detail, ("training", name))
    return KeptApart(rest, apart.get("calibration"), apart.get("test"), numbers)


def _wanted(recipe: TrainingSpec, rows: int) -> dict[str, float]:
    """How many rows each asks for."""
    wanted = {}
    if recipe.test is not None:
        wanted["test"] = recipe.test.fraction * rows
    if recipe.calibration is not None:
        wanted["calibration"] = min(recipe.calibration.fraction * rows, MOST_CALIBRATION_ROWS)
    return wanted


def _parted(
    rows: pl.DataFrame,
    types: Mapping[str, ColumnType],
    recipe: TrainingSpec,
    fraction: float,
    rng: np.random.Generator,
    classes: str | None,
) -> tuple[np.ndarray, np.ndarray]:
    validation = recipe.validation
    if not isinstance(validation, FractionValidation | KFoldValidation):
        # Rows have no marks but their classes, and windows their times.
        validation = FractionValidation(time=FIRST if LAST in types else None)
    known = marks(rows, types, None if classes is None else rows[classes], validation)
    return share_of(known, min(fraction, 0.9), rng)
