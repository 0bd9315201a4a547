"""The training loop."""

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import partial

import numpy as np

from engine.losses import Loss
from engine.metrics import Metric
from engine.network import Network
from engine.optimizers import Closure
from engine.randomness import Randomness
from engine.schedules import Schedule
from engine.training.accumulation import GradientMean
from engine.training.early_stopping import EarlyStopping
from engine.training.examples import Batch, Examples
from engine.training.max_norm import MaxNorm
from engine.training.mixup import Mixup
from engine.training.penalties import Clipping, Penalty
from engine.training.plateau import Plateau
from engine.training.progress import Diverged, Point, Progress
from engine.training.rate_factors import with_rate_factors
from engine.training.shuffling import Shuffle
from engine.training.spec import TrainingSpec
from engine.training.weight_average import WeightAverage


class Trainer:
    """Trains a network by a recipe.

    The network is initialised already, drew its dropout generator from the same `randomness`, and
    takes a batch of the recipe; so do `loss` and `metric`. Raises `InvalidSpec` at `rate_factors` for
    a factor of a parameter that the network does not have.
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
        self._asks_again = spec.optimizer.full_batch  # for cost and gradient, within a step
        self._optimizer = spec.optimizer.build()
        segments = with_rate_factors(network.segments, spec.rate_factors)
        self._optimizer.bind(segments, network.theta.size, network.dtype)
        self._penalty = Penalty(network, l1=spec.l1, l2=spec.l2)
        self._stopping = EarlyStopping(spec.early_stopping, network) if spec.early_stopping else None
        self._average = WeightAverage(spec.weight_average, network) if spec.weight_average else None
        self._plateau = Plateau(spec.schedule.on_plateau) if spec.schedule.on_plateau else None
        self._gathered = GradientMean(network.grad, spec.accumulate) if spec.accumulate > 1 else None
        self._before_step = list(self._changes_of_gradient())
        self._after_step = list(self._changes_of_weights())
        self._d_output = np.empty((network.batch, *network.out_shape), network.dtype)
        # What overflows soon ends the training with `Diverged`, which says more than NumPy's warnings. To run a
        # step in a context where they are off costs a tenth of what `np.errstate` does.
        self._quiet = copy_context()
        self._quiet.run(np.seterr, over="ignore", invalid="ignore", divide="ignore")

    def _changes_of_gradient(self) -> Iterator[Callable[[], None]]:
        """What happens to the gradient before a step; what is off takes no time."""
        spec = self._spec
        if spec.l1 or spec.l2:
            yield self._penalty.add_gradient
        if spec.clip_value or spec.clip_norm:
            yield partial(Clipping(value=spec.clip_value, norm=spec.clip_norm).apply, self._network.grad)

    def _changes_of_weights(self) -> Iterator[Callable[[], None]]:
        """What follows on a step."""
        if self._spec.max_norm is not None:
            yield MaxNorm(self._network, self._spec.max_norm).apply
        if self._average is not None:
            yield self._average.update

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

        The batch order is a function of (seed, epoch). When the run has ended, the network has the
        weights to keep: those of the best epoch with early stopping, otherwise the last ones, and in
        both cases their average if there is one. A caller may stop iterating at any time; the network
        then has the weights of that moment.

        Raises `Diverged` when the loss or the weights are no longer finite, and `ValueError` when
        early stopping has no rows to validate on or a batch is more than the network takes.
        """
        size = self._spec.batch_rows(len(training))
        if size > self._network.batch:
            raise ValueError(f"a batch has {size} rows, but the network takes at most {self._network.batch}")
        if self._stopping is not None and validation is None:
            raise ValueError("early stopping needs rows to validate on")
        started = time.perf_counter()
        steps = math.ceil(math.ceil(len(training) / size) / self._spec.accumulate)
        schedule = self._spec.schedule.build(steps, self._spec.epochs)
        batches = self._batches(training, size)
        for epoch in range(1, self._spec.epochs + 1):
            self.epoch = epoch
            train_loss, learning_rate = yield from self._epoch(batches(epoch), schedule)
            metrics = {f"train_{name}": value for name, value in self._metric.result().items()}
            penalty = self._quiet.run(self._penalty_value)
            validation_loss, stop = None, False
            if validation is not None:
                with self._weights_to_keep():
                    validation_loss = self._quiet.run(self._validate, validation.batches(size))
                    stop = self._stopping is not None and self._stopping.update(epoch, validation_loss)
                metrics |= {f"validation_{name}": value for name, value in self._metric.result().items()}
            if self._plateau is not None:
                self._plateau.update(train_loss if validation_loss is None else validation_loss)
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
        """Give the network the weights to keep: of the best epoch so far, or else their average."""
        if self._stopping is not None and self._stopping.best_epoch is not None:
            self._stopping.restore()
        elif self._average is not None:
            self._average.adopt()

    def _batches(self, training: Examples, size: int) -> Callable[[int], Iterable[Batch]]:
        """What gives an epoch's batches; all rows at once need no shuffling."""
        ordered = self._spec.optimizer.full_batch
        shuffle = None if ordered else Shuffle(self._spec.shuffle, training, size)
        mixup = Mixup(self._spec.mixup, training, size) if self._spec.mixup else None

        def batches(epoch: int) -> Iterable[Batch]:
            plain = shuffle.batches(self._randomness.shuffle(epoch)) if shuffle else training.batches(size)
            if mixup is None:
                return plain
            rng = self._randomness.mixup(epoch)
            return (mixup.mix(batch, rng) for batch in plain)

        return batches

    def _weights_to_keep(self) -> AbstractContextManager[None]:
        return nullcontext() if self._average is None else self._average.in_network()

    def _epoch(
        self, batches: Iterable[Batch], schedule: Schedule
    ) -> Generator[Progress, None, tuple[float, float]]:
        """Train on the batches; returns their mean loss and the last learning rate."""
        self._metric.reset()
        base = self._spec.optimizer.learning_rate * (self._plateau.factor if self._plateau else 1.0)
        optimizer, quietly = self._optimizer, self._quiet.run
        loss_sum = weight_sum = learning_rate = 0.0
        for batch in batches:
            learning_rate = base * schedule(optimizer.step_count)
            weight = batch.total_weight
            loss_sum += quietly(self._train, batch, weight, learning_rate) * weight
            weight_sum += weight
            yield Progress(self.epoch, optimizer.step_count, None)
        if self._gathered is not None and self._gathered.count:
            quietly(self._step_with_the_rest, self._gathered, learning_rate)
        return loss_sum / weight_sum, learning_rate

    def _train(self, batch: Batch, weight: float, learning_rate: float) -> float:
        """Take a batch's gradient and step, unless more batches make a step; returns the loss before it."""
        network = self._network
        output = network.forward(batch.x, train=True)
        d_output = self._d_output[: len(output)]
        loss = self._loss(output, batch.y, batch.weight, d_output)
        if not math.isfinite(loss):
            raise Diverged(self.step, self.epoch, "training loss")
        self._metric.update(output, batch.y, batch.weight)
        network.backward(d_output)
        if self._gathered is None or self._gathered.add(weight):
            self._step(learning_rate, self._closure(batch, loss) if self._asks_again else None)
        return loss

    def _step_with_the_rest(self, gathered: GradientMean, learning_rate: float) -> None:
        """A step with the batches that are left at the end of an epoch."""
        gathered.finish()
        self._step(learning_rate)

    def _step(self, learning_rate: float, closure: Closure | None = None) -> None:
        for change in self._before_step:
            change()
        self._optimizer.step(self._network.theta, self._network.grad, learning_rate, closure)
        for change in self._after_step:
            change()

    def _closure(self, batch: Batch, loss: float) -> Closure:
        """The cost on `batch` and its gradient at the network's weights; at the present ones they are known."""
        known = [loss + self._penalty.value()]

        def cost() -> float:
            if known:
                return known.pop()
            output = self._network.forward(batch.x, train=True)
            d_output = self._d_output[: len(output)]
            value = self._loss(output, batch.y, batch.weight, d_output)
            self._network.backward(d_output)
            for change in self._before_step:
                change()
            return value + self._penalty.value()

        return cost

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

    def _penalty_value(self) -> float:
        """The penalty; the epoch's last step, which no training loss has seen yet, is checked with it."""
        if not math.isfinite(np.dot(self._network.theta, self._network.theta)):
            raise Diverged(self.step, self.epoch, "length of the weights")
        return self._penalty.value()
