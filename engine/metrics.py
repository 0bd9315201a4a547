"""Metrics that are watched while a network trains, accumulated batch by batch."""

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array, Shape, size
from engine.losses import LARGEST_LOGARITHM
from engine.tasks import Link, Task


class Metric:
    """Named figures over the rows since the last `reset`; `update` allocates nothing."""

    def __init__(self, *, batch: int, dtype: DTypeLike) -> None:
        self._ones = np.ones(batch, dtype)
        self._weights = 0.0  # sum over the rows

    def reset(self) -> None:
        """Forget all rows."""
        self._weights = 0.0

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Add a batch: output and target (rows, *shape), weight (rows,) or None for all ones."""
        rows = len(output)
        self._add(output, target, self._ones[:rows] if weight is None else weight)
        self._weights += rows if weight is None else float(weight.sum())

    def _add(self, output: Array, target: Array, weight: Array) -> None:
        """Add the weighted sums of a batch."""
        raise NotImplementedError

    def result(self) -> dict[str, float]:
        """The figures by name; at least one row with a weight has come in."""
        raise NotImplementedError


class MulticlassAccuracy(Metric):
    """`accuracy`: share of the rows whose largest output is at the largest target (rows, classes)."""

    def __init__(self, *, batch: int, dtype: DTypeLike) -> None:
        super().__init__(batch=batch, dtype=dtype)
        self._predicted = np.empty(batch, np.intp)
        self._actual = np.empty(batch, np.intp)
        self._right = np.empty(batch, dtype)
        self._right_rows = 0.0

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._right_rows = 0.0

    def _add(self, output: Array, target: Array, weight: Array) -> None:
        rows = len(output)
        predicted = output.argmax(1, self._predicted[:rows])
        actual = target.argmax(1, self._actual[:rows])
        right = np.equal(predicted, actual, out=self._right[:rows])
        self._right_rows += float(np.dot(weight, right))

    def result(self) -> dict[str, float]:
        """The accuracy."""
        return {"accuracy": self._right_rows / self._weights}


class LabelAccuracy(Metric):
    """Metrics of labels that each are 0 or 1 in the target (rows, labels).

    `accuracy`: share of the labels that are on the right side of `threshold`. With several labels
    also `exact_match`: share of the rows in which all labels are.
    """

    def __init__(self, labels: int, *, threshold: float, batch: int, dtype: DTypeLike) -> None:
        super().__init__(batch=batch, dtype=dtype)
        self._labels = labels
        self._threshold = threshold
        self._predicted = np.empty((batch, labels), np.bool_)
        self._actual = np.empty((batch, labels), np.bool_)
        self._right = np.empty((batch, labels), dtype)
        self._row = np.empty(batch, dtype)
        self._label_ones = np.ones(labels, dtype)
        self._right_labels = self._right_rows = 0.0

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._right_labels = self._right_rows = 0.0

    def _add(self, output: Array, target: Array, weight: Array) -> None:
        rows = len(output)
        predicted = np.greater(output, self._threshold, out=self._predicted[:rows])
        actual = np.greater(target, 0.5, out=self._actual[:rows])
        right = np.equal(predicted, actual, out=self._right[:rows])
        row = np.dot(right, self._label_ones, out=self._row[:rows])
        self._right_labels += float(np.dot(weight, row))
        if self._labels > 1:
            np.equal(row, self._labels, out=row)
            self._right_rows += float(np.dot(weight, row))

    def result(self) -> dict[str, float]:
        """The accuracy, and with several labels the exact match."""
        accuracy = {"accuracy": self._right_labels / (self._weights * self._labels)}
        return accuracy | {"exact_match": self._right_rows / self._weights} if self._labels > 1 else accuracy


class RegressionErrors(Metric):
    """`rmse` and `mae` in the target's unit, and `r2`; with several outputs their means over the outputs.

    RMSE = sqrt(mean e^2), MAE = mean |e|, R2 = 1 - sum e^2 / sum (y - mean y)^2, with e = answer - y. An
    output whose target is constant has R2 = 1 if it is met exactly and 0 otherwise.
    """

    def __init__(
        self, outputs: int, *, logarithms: bool, scale: Array | None, batch: int, dtype: DTypeLike
    ) -> None:
        """`logarithms`: whether the answers are the outputs' exponentials instead of the outputs themselves.

        `scale`: what 1 in the answer is in the target's unit, for each output.
        """
        super().__init__(batch=batch, dtype=dtype)
        self._logarithms = logarithms
        self._scale = 1.0 if scale is None else np.asarray(scale, np.float64)
        self._values = np.empty((batch, outputs), dtype)
        self._origin = np.zeros(outputs, dtype)
        self._sums = np.zeros((4, outputs))  # of e^2, |e|, y and y^2, with y counted from the origin
        self._batch_sums = np.empty((4, outputs), dtype)

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._sums[:] = 0.0

    def _add(self, output: Array, target: Array, weight: Array) -> None:
        rows = len(output)
        output, target = output.reshape(rows, -1), target.reshape(rows, -1)
        if self._weights == 0:
            # Counted from the first row's target, so that a large mean does not drown the variance.
            self._origin[:] = target[0]
        squared_error, absolute_error, value, squared_value = self._batch_sums
        values = self._values[:rows]
        np.subtract(target, self._origin, out=values)
        np.dot(weight, values, out=value)
        np.square(values, out=values)
        np.dot(weight, values, out=squared_value)
        if self._logarithms:
            np.clip(output, -LARGEST_LOGARITHM, LARGEST_LOGARITHM, out=values)
            output = np.exp(values, out=values)
        np.subtract(output, target, out=values)
        np.abs(values, out=values)
        np.dot(weight, values, out=absolute_error)
        np.square(values, out=values)
        np.dot(weight, values, out=squared_error)
        self._sums += self._batch_sums

    def result(self) -> dict[str, float]:
        """The errors."""
        squared_error, absolute_error, value, squared_value = self._sums / self._weights
        variance = squared_value - value**2
        constant = variance <= 0
        r2 = np.where(constant, squared_error == 0, 1 - squared_error / np.where(constant, 1.0, variance))
        return {
            "rmse": float(np.mean(self._scale * np.sqrt(squared_error))),
            "mae": float(np.mean(self._scale * absolute_error)),
            "r2": float(np.mean(r2)),
        }


def metric_for(
    task: Task, link: Link, shape: Shape, *, batch: int, dtype: DTypeLike, scale: Array | None = None
) -> Metric:
    """The metric of `task` for outputs of `shape` (without the rows), at most `batch` rows at a time.

    `link`: what is still to be applied to the outputs; after "sigmoid" a probability of 1/2 is a
    logit of 0. `scale`: for regression, what 1 in the answers is in the target's unit, (outputs,).
    """
    if task == "multiclass":
        return MulticlassAccuracy(batch=batch, dtype=dtype)
    if task in ("binary", "multilabel"):
        threshold = 0.0 if link == "sigmoid" else 0.5
        return LabelAccuracy(size(shape), threshold=threshold, batch=batch, dtype=dtype)
    return RegressionErrors(size(shape), logarithms=link == "exp", scale=scale, batch=batch, dtype=dtype)
