"""The training loop."""

import math
import time
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from engine.losses import Loss
from engine.metrics import Metric
from engine.network import Network
from engine.randomness import Randomness
from engine.schedules import Schedule
from engine.training.early_stopping import EarlyStopping
from engine.training.examples import Batch, Examples
from engine.training.penalties import Clipping, Penalty
from engine.training.spec import TrainingSpec

# What overflows soon ends the training with `Diverged`, which says more than NumPy's warnings.
quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")


class Point(NamedTuple):
    """What is known after an epoch."""

    epoch: int  # 1-based
    step: int  # steps done
    train_loss: float  # weighted mean of the data loss over the epoch's batches, each before its step
    validation_loss: float | None  # of the weights after the epoch, in evaluation mode
    learning_rate: float  # of the epoch's last step
    penalty: float  # of the weights after the epoch
    metrics: dict[str, float]  # train_accuracy, validation_accuracy, ...
    seconds: float  # since the start of the run, by the wall clock


class Progress(NamedTuple):
    """A sign of life, after every batch and once more, with its point, after every epoch."""

    epoch: int  # 1-based
    step: int  # steps done
    point: Point | None


class Diverged(ArithmeticError):
    """The loss or the weights are no longer finite numbers."""

    def __init__(self, step: int, epoch: int, what: str) -> None:
        super().__init__(step, epoch, what)
        self.step = step  # steps done
        self.epoch = epoch  # 1-based
        self.what = what

    def __str__(self) -> str:
        return (
            f"the {self.what} is no longer a finite number after {self.step} steps (epoch {self.epoch}): "
            "lower the learning rate, or limit the gradient with clip_norm"
        )


class Trainer:
    """Trains a network by a recipe.

    The network is initialised already, drew its dropout generator from the same `randomness`, and
    takes a batch of the recipe; so do `loss` and `metric`.
    """

    stopped_early: bool = False  # whether early stopping ended the run before its last epoch
    epoch: int = 0  # the epoch that runs, 1-based

    def __init__(
        self, spec: TrainingSpec, network: Network, loss: Loss, metric: Metric, randomness: Randomness
    ) -> None:
        self._spec = spec
        self._network = network
        self._loss = loss
        self._metric = metric
        self._randomness = randomness
        self._optimizer = spec.optimizer.build()
        self._optimizer.bind(network.segments, network.theta.size, network.dtype)
        self._penalty = Penalty(network, l1=spec.l1, l2=spec.l2)
        self._clipping = Clipping(value=spec.clip_value, norm=spec.clip_norm)
        self._stopping = EarlyStopping(spec.early_stopping, network) if spec.early_stopping else None
        self._d_output = np.empty((network.batch, *network.out_shape), network.dtype)

    @property
    def step(self) -> int:
        """Steps done."""
        return self._optimizer.step_count

    @property
    def best_epoch(self) -> int | None:
        """The epoch (1-based) of the best validation loss so far; None without early stopping."""
        return self._stopping.best_epoch if self._stopping else None

    def run(self, training: Examples, validation: Examples | None = None) -> Iterator[Progress]:
        """Train, and yield after every batch and after every epoch.

        The batch order is a function of (seed, epoch). With early stopping the network has its best
        weights when the run has ended, otherwise the last ones. A caller may stop iterating at any
        time; the network then has the weights of that moment.

        Raises `Diverged` when the loss or the weights are no longer finite, and `ValueError` when
        early stopping has no rows to validate on or a batch is more than the network takes.
        """
        size = min(self._spec.batch_size, len(training))
        if size > self._network.batch:
            raise ValueError(f"a batch has {size} rows, but the network takes at most {self._network.batch}")
        if self._stopping is not None and validation is None:
            raise ValueError("early stopping needs rows to validate on")
        started = time.perf_counter()
        schedule = self._spec.schedule.build(math.ceil(len(training) / size), self._spec.epochs)
        shuffled = training.copy()
        for epoch in range(1, self._spec.epochs + 1):
            self.epoch = epoch
            order = self._randomness.shuffle(epoch).permutation(len(training))
            training.take(order, out=shuffled)
            train_loss, learning_rate = yield from self._epoch(shuffled.batches(size), schedule)
            metrics = {f"train_{name}": value for name, value in self._metric.result().items()}
            penalty = self._penalty_value()
            validation_loss, stop = None, False
            if validation is not None:
                validation_loss = self._validate(validation.batches(size))
                metrics |= {f"validation_{name}": value for name, value in self._metric.result().items()}
                stop = self._stopping is not None and self._stopping.update(epoch, validation_loss)
            self.stopped_early = stop and epoch < self._spec.epochs
            seconds = time.perf_counter() - started
            point = Point(
                epoch, self.step, train_loss, validation_loss, learning_rate, penalty, metrics, seconds
            )
            yield Progress(epoch, self.step, point)
            if stop:
                break
        self.restore_best()

    def restore_best(self) -> None:
        """With early stopping, give the network the weights and the state of its best epoch so far."""
        if self._stopping is not None:
            self._stopping.restore()

    def _epoch(
        self, batches: Iterable[Batch], schedule: Schedule
    ) -> Generator[Progress, None, tuple[float, float]]:
        """Train on the batches; returns their mean loss and the last learning rate."""
        self._metric.reset()
        loss_sum = weight_sum = learning_rate = 0.0
        for batch in batches:
            learning_rate = self._spec.optimizer.learning_rate * schedule(self.step)
            loss_sum += self._train(batch, learning_rate) * batch.total_weight
            weight_sum += batch.total_weight
            yield Progress(self.epoch, self.step, None)
        return loss_sum / weight_sum, learning_rate

    @quiet
    def _train(self, batch: Batch, learning_rate: float) -> float:
        """Do one step; returns the loss before it."""
        network = self._network
        output = network.forward(batch.x, train=True)
        d_output = self._d_output[: len(output)]
        loss = self._loss(output, batch.y, batch.weight, d_output)
        if not math.isfinite(loss):
            raise Diverged(self.step, self.epoch, "training loss")
        self._metric.update(output, batch.y, batch.weight)
        network.backward(d_output)
        self._penalty.add_gradient()
        self._clipping.apply(network.grad)
        self._optimizer.step(network.theta, network.grad, learning_rate)
        return loss

    @quiet
    def _validate(self, batches: Iterable[Batch]) -> float:
        """The mean loss in evaluation mode; the metric then holds these rows."""
        self._metric.reset()
        loss_sum = weight_sum = 0.0
        for batch in batches:
            output = self._network.forward(batch.x, train=False)
            loss_sum += self._loss.value(output, batch.y, batch.weight) * batch.total_weight
            weight_sum += batch.total_weight
            self._metric.update(output, batch.y, batch.weight)
        if not math.isfinite(loss_sum):
            raise Diverged(self.step, self.epoch, "validation loss")
        return loss_sum / weight_sum

    @quiet
    def _penalty_value(self) -> float:
        """The penalty; the epoch's last step, which no training loss has seen yet, is checked with it."""
        if not math.isfinite(np.dot(self._network.theta, self._network.theta)):
            raise Diverged(self.step, self.epoch, "length of the weights")
        return self._penalty.value()
