"""Estimators for scikit-learn that a backpropd service trains: for pipelines, searches and cross-validation.

    from backpropd_client.sklearn import BackpropdClassifier

    classifier = BackpropdClassifier(quality="fast").fit(X, y)

`fit` uploads the rows and waits for the job. The data set is deleted again. The model stays with the service, a version
a fit, and `model_id_` is its id. NaN is a missing value, which the service handles. A pandas or polars DataFrame may
hold categories and text too.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state, check_X_y
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from backpropd_client.errors import BackpropdError
from backpropd_client.synchronous.client import Client
from backpropd_client.synchronous.things import Model
from backpropd_client.tables import table_of
from backpropd_client.tables.base import Frame

Array = NDArray[Any]

_WORD = re.compile(r"[A-Za-z_][^\0]*")
_NOT_WORDS = frozenset(
    {"na", "n/a", "nan", "none", "null", "true", "false", "yes", "no", "t", "f", "inf", "infinity"}
)
"""Words that mean something else in a table, in any case."""


class BackpropdEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What both estimators share.

    Parameters
    ----------
    url, key : the service, and the key to it; None: as `Client` finds them. A key that is given here is part of what
        is printed and pickled; one in BACKPROPD_KEY is not.
    network : layers, a network's spec or its id; None: the recommended one.
    quality : "fast", "recommended" or "high": the recipe where no network is given.
    training : fields of the job's `training`, such as {"epochs": 50}.
    job_fields : further fields of `POST /v1/jobs`, such as {"sample_weight": "weight"} for a column of a frame.
    model_name : name of the models that come out; None: the service names them.
    random_state : decides the job's seed; None: another one each time.

    Attributes
    ----------
    model_id_ : id of the model with the service.
    n_features_in_, feature_names_in_ : of the columns of X.
    """

    def __init__(  # noqa: PLR0913 - an estimator's parameters are those of its constructor
        self,
        *,
        url: str | None = None,
        key: str | None = None,
        network: Any = None,  # noqa: ANN401
        quality: str | None = None,
        training: Mapping[str, Any] | None = None,
        job_fields: Mapping[str, Any] | None = None,
        model_name: str | None = None,
        random_state: Any = None,  # noqa: ANN401
    ) -> None:
        self.url = url
        self.key = key
        self.network = network
        self.quality = quality
        self.training = training
        self.job_fields = job_fields
        self.model_name = model_name
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    @property
    def model(self) -> Model:
        """The model, to be explained, exported and evaluated."""
        check_is_fitted(self)
        return Model(self._model_data, _client(self.url, self.key, os.getpid())._doer)

    def _train(self, x: Any, y: Array, task: str) -> None:  # noqa: ANN401
        """Let the service learn y (rows,) or (rows, targets) from x, an array or a frame."""
        data, target = _with_target(x, y)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        given = {"network": self.network, "quality": self.quality, "model_name": self.model_name}
        fields = {name: value for name, value in given.items() if value is not None}
        client = _client(self.url, self.key, os.getpid())
        dataset = client.datasets.upload(data, name=type(self).__name__)
        try:
            job = client.train(
                dataset,
                target,
                task=task,
                training={"seed": seed, **(self.training or {})},
                **fields,
                **(self.job_fields or {}),
            )
            try:
                model = job.wait()
            except KeyboardInterrupt:
                job.cancel()
                raise
        finally:
            with suppress(BackpropdError):
                dataset.delete()
        self._model_data = model.data
        self.model_id_ = model.id

    def _answers(self, x: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """What the service says of each row of X."""
        check_is_fitted(self)
        named = hasattr(self, "feature_names_in_")
        if named and _is_frame(x):
            return self.model.answers(validate_data(self, x, reset=False, skip_check_array=True))
        rows = validate_data(self, x, reset=False, ensure_all_finite="allow-nan")
        if named:  # trained from a frame, asked with an array
            rows = [dict(zip(self.feature_names_in_, row, strict=True)) for row in rows]
        return self.model.answers(rows)

    def _checked(self, x: Any, y: Any, **checks: Any) -> tuple[Any, Array]:  # noqa: ANN401
        """X and y for `fit`: an array, or a frame as it is."""
        if not _is_frame(x):
            both: tuple[Array, Array] = validate_data(
                self, x, y, ensure_all_finite="allow-nan", ensure_min_samples=2, **checks
            )
            return both
        frame = validate_data(self, x, skip_check_array=True)
        _, y = check_X_y(np.zeros((len(x), 1)), y, ensure_min_samples=2, **checks)
        return frame, y


class BackpropdClassifier(ClassifierMixin, BackpropdEstimator):  # type: ignore[misc] # as above
    """A classifier that a backpropd service trains; parameters as in `BackpropdEstimator`.

    Attributes
    ----------
    classes_ : the labels, in the order of `predict_proba`.
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: ANN401, N803 - scikit-learn's names
        """Train on rows X with labels y."""
        x, y = self._checked(X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 classes; y has only one class")
        self._labels = _labels(self.classes_)
        task = "binary" if len(self.classes_) == 2 else "multiclass"
        self._train(x, np.array(self._labels)[codes], task)
        return self

    def predict_proba(self, X: Any) -> Array:  # noqa: ANN401, N803
        """The probability of each class (rows, classes), in the order of `classes_`."""
        said = [answer["probabilities"] for answer in self._answers(X)]
        shares = np.array([[row.get(label, 0.0) for label in self._labels] for row in said])
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))  # the service computes in float32

    def predict(self, X: Any) -> Array:  # noqa: ANN401, N803
        """The most probable label of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])


class BackpropdRegressor(RegressorMixin, BackpropdEstimator):  # type: ignore[misc] # as above
    """A regressor, of one target or several, that a backpropd service trains; parameters as in `BackpropdEstimator`."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:  # noqa: ANN401, N803
        """Train on rows X with numbers y (rows,) or (rows, targets)."""
        x, y = self._checked(X, y, multi_output=True, y_numeric=True)
        self._targets = y.shape[1:]
        self._train(x, y.astype(np.float64), "regression")
        return self

    def predict(self, X: Any) -> Array:  # noqa: ANN401, N803
        """The number, or numbers, of each row, in the shape of y."""
        said = self._answers(X)
        numbers = [
            [answer["value"]] if "value" in answer else list(answer["values"].values()) for answer in said
        ]
        return np.array(numbers, np.float64).reshape(len(said), *self._targets)


def _is_frame(x: object) -> bool:
    """Whether it has columns with names."""
    return hasattr(x, "columns") and isinstance(table_of(x), Frame) and all(map(_is_text, x.columns))


def _is_text(name: object) -> bool:
    return isinstance(name, str)


def _with_target(x: Any, y: Array) -> tuple[Any, str | list[str]]:  # noqa: ANN401
    """The rows with y beside them, and what its columns are called."""
    names = ["y"] if y.ndim == 1 or y.shape[1] == 1 else [f"y{number}" for number in range(y.shape[1])]
    target = names[0] if len(names) == 1 else names
    if isinstance(x, np.ndarray):
        return (x, y), target
    frame = table_of(x)
    assert isinstance(frame, Frame)
    while set(names) & set(frame.columns):
        names = [f"_{name}" for name in names]
    columns = y.reshape(len(y), -1).T.tolist()
    return frame.joined(dict(zip(names, columns, strict=True))), names[0] if len(names) == 1 else names


def _labels(classes: Array) -> list[str]:
    """What the service calls the classes: their own names where these are words, else "class 1" and so on."""
    names = [str(label) for label in classes]
    words = all(
        _is_text(label) and _WORD.fullmatch(name) and name == name.strip() and name.lower() not in _NOT_WORDS
        for label, name in zip(classes, names, strict=True)
    )
    if words and len(set(names)) == len(names):
        return names
    labels = [f"class {name}" for name in names]
    return labels if len(set(labels)) == len(labels) else [f"class {number}" for number in range(len(names))]


@lru_cache(maxsize=8)
def _client(url: str | None, key: str | None, _process: int) -> Client:
    """The client of all estimators of a service, in a process: connections must not be shared with a forked one."""
    return Client(url, key)
