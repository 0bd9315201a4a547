"""Networks of several members: outputs (k, outputs) are k answers to one row.

Each member is trained on its own: the loss is the mean of their losses, never the loss of their mean, since
members that only have to be right together do not help each other. The answer is the mean of the members'
answers, taken after the link: of probabilities, not of logits.

Source: Gorishniy, Kotelnikov & Babenko 2024, TabM: advancing tabular deep learning with parameter-efficient
ensembling, section 3.
"""

from collections.abc import Callable

import numpy as np

from engine.arrays import Array, Shape
from engine.checkpoint import Checkpoint
from engine.layers import Layer
from engine.layers.activations.base import Activation, Identity, Sigmoid
from engine.layers.activations.softmax import Softmax
from engine.layers.dense import UnitsSpec
from engine.losses import LARGEST_LOGARITHM, AnyLoss, Loss
from engine.metrics import Metric, metric_for
from engine.network import NetworkSpec
from engine.summary import NetworkSummary
from engine.tasks import Link, Task, build_loss


def answers_fit(shape: Shape, outputs: int) -> bool:
    """Whether a network's outputs of `shape` are `outputs` numbers, of one network or of each member."""
    return len(shape) in {1, 2} and shape[-1] == outputs


def misfit(network: NetworkSpec, shape: Shape, outputs: int) -> str:
    """What is wrong with a network whose outputs are not the target's, and what to do."""
    if isinstance(network.layers[-1], UnitsSpec):
        advice = "leave out the last dense layer's units, or make them fit"
    else:
        advice = f"end with {'a flatten and ' if len(shape) > 1 else ''}a dense layer without units"
    return f"the network has outputs of shape {list(shape)}, but the target needs {outputs}: {advice}"


def note_of(network: NetworkSummary) -> str | None:
    """What a plan says of the members, if there are any."""
    if len(network.output_shape) == 1:
        return None
    return f"{network.output_shape[0]} members train side by side; predictions are the mean of theirs"


def loss_of(loss: AnyLoss, task: Task, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> Loss:
    """The loss of a network's outputs of `shape`; with members, the mean of their losses."""
    if len(shape) == 1:
        return build_loss(loss, task, shape, batch=batch, dtype=dtype)
    members, outputs = shape
    of_one = build_loss(loss, task, (outputs,), batch=batch * members, dtype=dtype)
    return MemberLoss(of_one, shape, batch, dtype)


class MemberLoss(Loss):
    """The mean of the members' losses: each member's answer is a row of its own to the loss within."""

    def __init__(self, loss: Loss, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        """`loss`: for one member's outputs, of members * batch rows; `shape`: (members, outputs)."""
        self._loss = loss
        self._target = np.empty((batch, *shape), dtype)
        self._weight = np.empty((batch, shape[0]), dtype)

    def __call__(self, output: Array, target: Array, weight: Array | None, d_output: Array) -> float:
        """The weighted mean over rows and members; overwrites `d_output` with its gradient.

        `output` and `d_output`: (rows, members, outputs); `target`: (rows, outputs); `weight`: (rows,).
        """
        targets, weights = self._repeated(target, weight)
        return self._loss(_as_rows(output), targets, weights, _as_rows(d_output))

    def value(self, output: Array, target: Array, weight: Array | None) -> float:
        """The same without the gradient."""
        return self._loss.value(_as_rows(output), *self._repeated(target, weight))

    def _repeated(self, target: Array, weight: Array | None) -> tuple[Array, Array | None]:
        """Target and weight of each row, once for each member."""
        targets, weights = self._target[: len(target)], self._weight[: len(target)]
        np.copyto(targets, target[:, None])
        if weight is None:
            return _as_rows(targets), None
        np.copyto(weights, weight[:, None])
        return _as_rows(targets), weights.reshape(-1)


def _as_rows(values: Array) -> Array:
    """(rows, members, outputs) as (rows members, outputs)."""
    return values.reshape(-1, values.shape[-1])


def metric_of(
    task: Task,
    link: Link,
    shape: Shape,
    *,
    batch: int,
    dtype: np.dtype[np.floating],
    scale: Array | None = None,
    bounds: Array | None = None,
) -> Metric:
    """As `metric_for`, for a network's outputs of `shape`; with members, the metric of their mean answer."""
    if len(shape) == 1:
        return metric_for(task, link, shape, batch=batch, dtype=dtype, scale=scale, bounds=bounds)
    of_answers = metric_for(task, "identity", shape[1:], batch=batch, dtype=dtype, scale=scale, bounds=bounds)
    return MemberMetric(of_answers, link, shape, batch, dtype)


class MemberMetric(Metric):
    """The metric of the mean of the members' answers."""

    def __init__(
        self, metric: Metric, link: Link, shape: Shape, batch: int, dtype: np.dtype[np.floating]
    ) -> None:
        """`metric`: of answers (rows, outputs), to which no link is to be applied any more."""
        self._metric = metric
        self._link = _LINK_LAYERS[link](shape)
        self._link.bind({}, {}, {}, batch=batch, dtype=dtype, rng=np.random.default_rng(0))
        self._mean = np.empty((batch, *shape[1:]), dtype)

    def reset(self) -> None:
        """Forget all rows."""
        self._metric.reset()

    def checkpoint(self) -> Checkpoint:
        """What the rows so far come to."""
        return self._metric.checkpoint()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there."""
        self._metric.resume(checkpoint)

    def update(self, output: Array, target: Array, weight: Array | None) -> None:
        """Add a batch: output (rows, members, outputs), target (rows, outputs)."""
        answers, mean = self._link.forward(output, train=False), self._mean[: len(output)]
        np.add.reduce(answers, axis=1, out=mean)
        mean /= answers.shape[1]
        self._metric.update(mean, target, weight)

    def result(self) -> dict[str, float]:
        """The figures by name."""
        return self._metric.result()


class _Exponential(Activation):
    """The link of losses on logarithms, e^z, with z cut as they cut it."""

    def forward(self, x: Array, train: bool) -> Array:
        y = np.clip(x, -LARGEST_LOGARITHM, LARGEST_LOGARITHM, out=self._y[: len(x)])
        return np.exp(y, out=y)


_LINK_LAYERS: dict[Link, Callable[[Shape], Layer]] = {
    "identity": Identity,
    "sigmoid": Sigmoid,
    "softmax": Softmax,
    "exp": _Exponential,
}
