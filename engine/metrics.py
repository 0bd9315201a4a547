"""Metrics that are watched while a network trains, accumulated batch by batch."""

from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array, Shape, size
from engine.checkpoint import Checkpoint
from engine.kernels import Mask, chosen
from engine.losses import LARGEST_LOGARITHM
from engine.tasks import Link, Task


class Metric:
    """Named figures over the rows since the last `reset`; `update` allocates nothing."""

    summed: ClassVar[tuple[str, ...]] = ("_weights",)
    """Names of the attributes, floats or arrays, that hold what the rows so far come to."""

    def __init__(self, *, batch: int, dtype: DTypeLike) -> None:
        self._weights = 0.0  # sum over the rows

    def reset(self) -> None:
        """Forget all rows."""
        self._weights = 0.0

    def checkpoint(self) -> Checkpoint:
        """What the rows so far come to."""
        sums = {name.strip("_"): getattr(self, name) for name in self.summed}
        return Checkpoint(
            {name: value for name, value in sums.items() if isinstance(value, np.ndarray)},
            {name: float(value) for name, value in sums.items() if not isinstance(value, np.ndarray)},
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there; raises `CheckpointMismatch` where the sums do not fit."""
        for name in self.summed:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                checkpoint.fill(**{name.strip("_"): value})
            else:
                setattr(self, name, checkpoint.facts[name.strip("_")])

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Add a batch: output and target (rows, *shape), weight (rows,) or None for all ones."""
        self._add(output, target, weight)
        self._weights += len(output) if weight is None else float(weight.sum())

    def _add(self, output: Array, target: Array, weight: Array | None) -> None:
        """Add the weighted sums of a batch."""
        raise NotImplementedError

    def result(self) -> dict[str, float]:
        """The figures by name; at least one row with a weight has come in."""
        raise NotImplementedError


class MulticlassAccuracy(Metric):
    """`accuracy`: share of the rows whose largest output is at the largest target (rows, classes)."""

    summed = (*Metric.summed, "_right_rows")

    def __init__(self, *, batch: int, dtype: DTypeLike) -> None:
        super().__init__(batch=batch, dtype=dtype)
        self._kernel = chosen().right_rows
        self._buffers = np.empty(batch, np.bool_), np.empty((2, batch), np.intp)
        self._right_rows = 0.0
        self._take_rows(batch)

    def _take_rows(self, rows: int) -> None:
        """Cut the buffers to `rows`: only when their number changes."""
        self._rows = rows
        self._right = self._buffers[0][:rows]
        self._largest_output, self._largest_target = (indices[:rows] for indices in self._buffers[1])

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._right_rows = 0.0

    def _add(self, output: Array, target: Array, weight: Array | None) -> None:
        if len(output) != self._rows:
            self._take_rows(len(output))
        self._right_rows += self._kernel(
            output, target, weight, self._right, self._largest_output, self._largest_target
        )

    def result(self) -> dict[str, float]:
        """The accuracy."""
        return {"accuracy": self._right_rows / self._weights}


class LabelAccuracy(Metric):
    """Metrics of labels that each are 0 or 1 in the target (rows, labels).

    `accuracy`: share of the labels that are on the right side of `threshold`. With several labels
    also `exact_match`: share of the rows in which all labels are.
    """

    summed = (*Metric.summed, "_right_labels", "_right_rows")

    def __init__(self, labels: int, *, threshold: float, batch: int, dtype: DTypeLike) -> None:
        super().__init__(batch=batch, dtype=dtype)
        self._labels = labels
        self._threshold = threshold
        self._predicted = np.empty((batch, labels), np.bool_)
        self._right = np.empty((batch, labels), np.bool_)
        self._all_right = np.empty(batch, np.bool_)
        self._row = np.empty(batch, dtype)
        self._right_labels = self._right_rows = 0.0

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._right_labels = self._right_rows = 0.0

    def _add(self, output: Array, target: Array, weight: Array | None) -> None:
        rows = len(output)
        predicted = np.greater(output, self._threshold, out=self._predicted[:rows])
        right = np.greater(target, 0.5, out=self._right[:rows])
        np.equal(predicted, right, out=right)
        if self._labels > 1:
            all_right = np.logical_and.reduce(right, axis=1, out=self._all_right[:rows])
            self._right_rows += _weight_of(all_right, weight)
        if weight is None:
            self._right_labels += np.count_nonzero(right)
        else:
            row = np.add.reduce(right, axis=1, out=self._row[:rows])
            self._right_labels += float(np.dot(weight, row))

    def result(self) -> dict[str, float]:
        """The accuracy, and with several labels the exact match."""
        accuracy = {"accuracy": self._right_labels / (self._weights * self._labels)}
        return accuracy | {"exact_match": self._right_rows / self._weights} if self._labels > 1 else accuracy


class OrdinalAccuracy(LabelAccuracy):
    """Metrics of ordered classes, whose labels in the target say whether the class is above each but the last.

    `accuracy`: share of the rows whose class is right. `mean_absolute_rank_error`: how many ranks the class is
    away from the true one, on average; so many labels are wrong where the outputs are in order.
    """

    def result(self) -> dict[str, float]:
        """Both."""
        right = self._right_rows if self._labels > 1 else self._right_labels
        return {
            "accuracy": right / self._weights,
            "mean_absolute_rank_error": self._labels - self._right_labels / self._weights,
        }


def _weight_of(rows: Mask, weight: Array | None) -> float:
    """The sum of the weights of the rows that are true."""
    return float(np.count_nonzero(rows) if weight is None else np.add.reduce(weight, where=rows))


class RegressionErrors(Metric):
    """`rmse` and `mae` in the target's unit, and `r2`; with several outputs their means over the outputs.

    RMSE = sqrt(mean e^2), MAE = mean |e|, R2 = 1 - sum e^2 / sum (y - mean y)^2, with e = answer - y. An
    output whose target is constant has R2 = 1 if it is met exactly and 0 otherwise.
    """

    summed = (*Metric.summed, "_origin", "_sums")

    def __init__(
        self,
        outputs: int,
        *,
        logarithms: bool,
        scale: Array | None,
        bounds: Array | None = None,
        batch: int,
        dtype: DTypeLike,
    ) -> None:
        """`logarithms`: whether the answers are the outputs' exponentials instead of the outputs themselves.

        `scale`: what 1 in the answer is in the target's unit, for each output. `bounds`: the least and the most that
        an answer is (2, outputs); what is beyond counts as the bound.
        """
        super().__init__(batch=batch, dtype=dtype)
        self._kernel = chosen().error_sums
        self._logarithms = logarithms
        self._scale = 1.0 if scale is None else np.asarray(scale, np.float64)
        self._origin = np.zeros(outputs, dtype)
        self._sums = np.zeros((4, outputs))  # of e^2, |e|, y and y^2, with y counted from the origin
        self._batch_sums = np.empty((4, outputs), dtype)
        self._buffers = np.empty((batch, outputs), dtype), np.ones(batch, dtype)
        self._bounds = None if bounds is None else np.asarray(bounds, dtype)
        moved = logarithms or bounds is not None
        self._answers = np.empty((batch, outputs) if moved else (0, 0), dtype)
        self._take_rows(batch)

    def _take_rows(self, rows: int) -> None:
        """Cut the buffers to `rows`: only when their number changes."""
        self._rows = rows
        self._values, self._ones = (buffer[:rows] for buffer in self._buffers)

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._sums[:] = 0.0

    def _add(self, output: Array, target: Array, weight: Array | None) -> None:
        rows = len(output)
        if rows != self._rows:
            self._take_rows(rows)
        if output.ndim != 2:
            output, target = output.reshape(rows, -1), target.reshape(rows, -1)
        if self._weights == 0:
            # Counted from the first row's target, so that a large mean does not drown the variance.
            self._origin[:] = target[0]
        if self._logarithms:
            output = np.clip(output, -LARGEST_LOGARITHM, LARGEST_LOGARITHM, out=self._answers[:rows])
            np.exp(output, out=output)
        if self._bounds is not None:
            output = np.clip(output, *self._bounds, out=self._answers[:rows])
        if weight is None:
            weight = self._ones
        self._kernel(output, target, weight, self._origin, self._sums, self._batch_sums, self._values)

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
    task: Task,
    link: Link,
    shape: Shape,
    *,
    batch: int,
    dtype: DTypeLike,
    scale: Array | None = None,
    bounds: Array | None = None,
) -> Metric:
    """The metric of `task` for outputs of `shape` (without the rows), at most `batch` rows at a time.

    `link`: what is still to be applied to the outputs; after "sigmoid" a probability of 1/2 is a
    logit of 0. `scale`: for regression, what 1 in the answers is in the target's unit, (outputs,); `bounds`: what
    answers are cut to, as in `RegressionErrors`.
    """
    if task == "multiclass":
        return MulticlassAccuracy(batch=batch, dtype=dtype)
    if task in ("binary", "multilabel", "ordinal"):
        threshold = 0.0 if link == "sigmoid" else 0.5
        labels = OrdinalAccuracy if task == "ordinal" else LabelAccuracy
        return labels(size(shape), threshold=threshold, batch=batch, dtype=dtype)
    return RegressionErrors(
        size(shape), logarithms=link == "exp", scale=scale, bounds=bounds, batch=batch, dtype=dtype
    )
