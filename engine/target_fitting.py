"""The target of a training, fitted to its rows."""

import polars as pl

from engine.encoding import InvalidTarget
from engine.encoding.table import TableEncoder
from engine.encoding.target import (
    AnyTarget,
    ClassTarget,
    FeaturePart,
    MultilabelTarget,
    ReconstructionTarget,
    RegressionTarget,
)
from engine.partition import LearningProblem
from engine.spec import InvalidSpec


def fit_target(
    problem: LearningProblem, known: pl.DataFrame, fitted: pl.DataFrame, encoder: TableEncoder
) -> AnyTarget:
    """The target of a problem.

    Its classes are those of all `known` rows, which some network may only be validated on; figures, such as means,
    are of the `fitted` ones. Raises `InvalidSpec` at `target` for columns that cannot be one.
    """
    try:
        return _fit(problem, known, fitted, encoder)
    except InvalidTarget as error:
        raise InvalidSpec(error.detail, ("target",)) from None


def _fit(
    problem: LearningProblem, known: pl.DataFrame, fitted: pl.DataFrame, encoder: TableEncoder
) -> AnyTarget:
    goal, task = problem.goal, problem.task
    match task:
        case "binary" | "multiclass" | "ordinal":
            return ClassTarget.fit(known, goal.targets, task, goal.target_order)
        case "multilabel":
            return MultilabelTarget.fit(fitted, goal.targets)
        case "regression" | "count":
            amounts = problem.loss.takes == "logarithms"
            fit = RegressionTarget.fit_amounts if amounts else RegressionTarget.fit
            target = fit(fitted, goal.targets, task)
            return target.clipped(fitted) if goal.clip else target
        case "autoencoding":
            return ReconstructionTarget(
                width=encoder.width,
                features=tuple(
                    FeaturePart(name=column.name, width=column.width) for column in encoder.columns
                ),
                anomaly_quantile=goal.anomaly_quantile,
            )
