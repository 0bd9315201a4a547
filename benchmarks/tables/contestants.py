"""Who learns from the tables: this engine by its recipes, and other libraries at their defaults.

A contestant takes the rows to learn from and the rows to be tried on. It answers with probabilities (rows, classes)
or values (rows,). What it does to columns before it learns is fitted on the first alone.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.tables.data import Problem
from engine.encoding.split import Indices
from engine.fitting import Table
from engine.folds.fitting import fitting_for
from engine.goal import GoalSpec, Quality
from engine.training import TrainingSpec
from engine.trust.assurance import all_classes

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A split of a data set."""

    problem: Problem
    learned: Indices
    tried: Indices
    seed: int
    threads: int

    @property
    def classes(self) -> bool:
        """Whether classes are to be predicted."""
        return self.problem.source.classes

    @property
    def truth(self) -> NDArray[np.float64] | Indices:
        """Of the rows to learn from: the numbers of their classes, or values."""
        return self.problem.truth[self.learned]


Contestant = Callable[[Task], Figures]


def ours(quality: Quality | None = None, members: int | None = None) -> Contestant:
    """The engine, given nothing but the table and the target; with `members`, as many networks."""

    def answers(task: Task) -> Figures:
        source, table = task.problem.source, task.problem.table
        training = {"seed": task.seed} | ({} if members is None else {"members": members})
        fitting = fitting_for(
            Table(table.frame[task.learned], table.types),
            GoalSpec(target=source.target, quality=quality, task="auto" if source.classes else "regression"),
            None,
            TrainingSpec.model_validate(training),
        )
        for _ in fitting.run():
            pass
        model = fitting.settled(fitting.model)
        given = model.answers(table.frame[task.tried].drop(source.target))
        return all_classes(given, model.target.kind) if source.classes else given[:, 0]

    return answers


def _pandas(task: Task, missing: str | None = None) -> tuple["object", "object"]:
    """Both parts as pandas has them: numbers as float64, categories by those of the rows to learn from.

    A category that these have not is missing. `missing`: a category for that, where a library takes no gaps.
    """
    import pandas as pd  # noqa: PLC0415

    frame, words = task.problem.table.frame.drop(task.problem.source.target), task.problem.categories
    parts = [pd.DataFrame(), pd.DataFrame()]
    for name in frame.columns:
        column = frame[name].cast(pl.String if name in words else pl.Float64)
        known = sorted(column[task.learned].drop_nulls().unique()) if name in words else None
        for part, rows in zip(parts, (task.learned, task.tried), strict=True):
            values = column[rows].to_list()
            if known is None:
                part[name] = np.array(values, np.float64)
            elif missing is not None:
                part[name] = [missing if value is None else value for value in values]
            else:
                held = set(known)
                kept = [value if value in held else None for value in values]
                part[name] = pd.Categorical(kept, categories=known)
    return parts[0], parts[1]


def _fitted(model, task: Task, learned, tried, **more) -> Figures:  # noqa: ANN001, ANN003
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(learned, task.truth, **more)
        return model.predict_proba(tried) if task.classes else np.asarray(model.predict(tried), np.float64)


def multilayer_perceptron(task: Task) -> Figures:
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    words = task.problem.categories
    numbers = [name for name in task.problem.features if name not in words]
    filled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    columns = ColumnTransformer(
        [("numbers", filled, numbers), ("words", OneHotEncoder(handle_unknown="ignore"), words)],
        sparse_threshold=0,
    )
    if task.classes:
        model = make_pipeline(columns, MLPClassifier(random_state=task.seed))
    else:
        network = TransformedTargetRegressor(
            MLPRegressor(random_state=task.seed), transformer=StandardScaler()
        )
        model = make_pipeline(columns, network)
    return _fitted(model, task, *_pandas(task))


def histogram_boosting(task: Task) -> Figures:
    from sklearn.ensemble import (  # noqa: PLC0415
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    learned, tried = _pandas(task)
    for name in task.problem.categories:
        if len(learned[name].cat.categories) > 255:  # more than it has bins for
            for part in (learned, tried):
                part[name] = part[name].cat.codes.replace(-1, np.nan).astype(float)
    kind = HistGradientBoostingClassifier if task.classes else HistGradientBoostingRegressor
    return _fitted(kind(random_state=task.seed), task, learned, tried)


def xgboost(task: Task) -> Figures:
    from xgboost import XGBClassifier, XGBRegressor  # noqa: PLC0415

    kind = XGBClassifier if task.classes else XGBRegressor
    model = kind(enable_categorical=True, n_jobs=task.threads, random_state=task.seed)
    return _fitted(model, task, *_pandas(task))


def lightgbm(task: Task) -> Figures:
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415

    kind = LGBMClassifier if task.classes else LGBMRegressor
    model = kind(n_jobs=task.threads, random_state=task.seed, verbose=-1)
    parts = _pandas(task)
    for part in parts:
        part.columns = [f"column {i}" for i in range(len(part.columns))]  # it refuses some characters
    return _fitted(model, task, *parts)


def catboost(task: Task) -> Figures:
    from catboost import CatBoostClassifier, CatBoostRegressor  # noqa: PLC0415

    kind = CatBoostClassifier if task.classes else CatBoostRegressor
    model = kind(random_seed=task.seed, verbose=False, allow_writing_files=False, thread_count=task.threads)
    words = task.problem.categories
    return _fitted(model, task, *_pandas(task, missing="missing"), cat_features=words)


@dataclass(frozen=True)
class Peer:
    """Another library."""

    package: str
    fit: Contestant
    neural: bool = False

    @property
    def there(self) -> bool:
        """Whether it is installed."""
        return find_spec(self.package) is not None and find_spec("pandas") is not None


PEERS: Mapping[str, Peer] = {
    "MLP (scikit-learn)": Peer("sklearn", multilayer_perceptron, neural=True),
    "HistGradientBoosting": Peer("sklearn", histogram_boosting),
    "XGBoost": Peer("xgboost", xgboost),
    "LightGBM": Peer("lightgbm", lightgbm),
    "CatBoost": Peer("catboost", catboost),
}
