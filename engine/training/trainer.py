"""The training loop."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import partial
from typing import Protocol

import numpy as np

from engine.checkpoint import Checkpoint
from engine.losses import Loss
from engine.metrics import Metric
from engine.network import Network
from engine.optimizers import Closure
from engine.randomness import Randomness
from engine.training.accumulation import GradientMean
from engine.training.changes import Applied, ChangeLog, Changes
from engine.training.early_stopping import EarlyStopping
from engine.training.epoch_batches import EpochBatches
from engine.training.epoch_sums import EpochSums
from engine.training.examples import Batch, Examples
from engine.training.identity import check_identity, identity
from engine.training.max_norm import MaxNorm
from engine.training.moves import Moves
from engine.training.penalties import Clipping, Penalty
from engine.training.plateau import Plateau
from engine.training.progress import Diverged, Point, Progress
from engine.training.rate_factors import with_decay_factors, with_rate_factors
from engine.training.spec import TrainingSpec
from engine.training.stopwatch import Stopwatch
from engine.training.weight_average import WeightAverage
from engine.training.weights_apart import WeightsApart

BUFFER = 2048
"""Values in each of the buffers that NumPy makes for an operation on arrays that are not contiguous. Its own 8192
are no quicker, and four times as large."""


class _Part(Protocol):
    """What remembers something from one batch to the next."""

    def checkpoint(self) -> Checkpoint: ...

    def resume(self, checkpoint: Checkpoint) -> None: ...


class Trainer:
    """Trains a network by a recipe.

    The network is initialised already, drew its dropout generator from the same `randomness`, and
    takes a batch of the recipe; so do `loss` and `metric`. Raises `InvalidSpec` at `rate_factors` for
    a factor of a parameter that the network does not have.
    """

    epoch: int = 0  # the epoch that runs, 1-based
    epochs: int  # at most; may change while training
    learning_rate: float  # before schedule and plateau; may change while training

    def __init__(
        self,
        spec: TrainingSpec,
        network: Network,
        loss: Loss,
        metric: Metric,
        randomness: Randomness,
        watch: Stopwatch | None = None,
    ) -> None:
        """`watch`: counts the seconds already, where something comes before the first epoch."""
        self._spec = spec
        self._network = network
        self._loss = loss
        self._metric = metric
        self._randomness = randomness
        self.epochs, self.learning_rate = spec.epochs, spec.optimizer.learning_rate
        self._changes = ChangeLog()
        self._sums = EpochSums()
        self._watch = watch or Stopwatch()
        self._asks_again = spec.optimizer.full_batch  # for cost and gradient, within a step
        self._optimizer = spec.optimizer.build()
        segments = with_rate_factors(network.segments, spec.rate_factors)
        segments = with_decay_factors(segments, spec.decay_factors)
        self._optimizer.bind(segments, network.theta.size, network.dtype)
        self._moves = Moves(spec, network, self._optimizer)
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
        self._quiet.run(np.setbufsize, BUFFER)

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
    def stopped_early(self) -> bool:
        """Whether early stopping ended the run before its last epoch."""
        return self._is_over() and self.epochs_done < self.epochs

    @property
    def epochs_done(self) -> int:
        """Whole epochs, those whose point was told."""
        return self.epoch - (self._sums.batches > 0)

    @property
    def applied(self) -> Sequence[Applied]:
        """The changes that have taken effect so far."""
        return self._changes.applied

    @property
    def best_epoch(self) -> int | None:
        """The epoch (1-based) of the best validation loss so far; None without early stopping."""
        return self._stopping.best_epoch if self._stopping else None

    def change(self, changes: Changes) -> None:
        """Let `changes` take effect before the next step; raises `InvalidSpec` where they make no sense."""
        changes.check(self._spec)
        self._changes.ask(changes)

    def run(
        self,
        training: Examples,
        validation: Examples | None = None,
        checkpoint: Checkpoint | None = None,
        changes: Sequence[tuple[int, Changes]] = (),
    ) -> Iterator[Progress]:
        """Train, once, and yield after every batch and after every epoch.

        The batch order is a function of (seed, epoch). When the run has ended, the network has the
        weights to keep: those of the best epoch with early stopping, otherwise the last ones, and in
        both cases their average if there is one. A caller may stop iterating at any time; the network
        then has the weights of that moment.

        With a `checkpoint` of the same training, the run goes on after it, bit by bit as if it had not stopped.
        `changes`, with the steps at which they took effect once, do so again.

        Raises `Diverged` when the loss or the weights are no longer finite, `CheckpointMismatch` for a
        checkpoint of another training, and `ValueError` when early stopping has no rows to validate on, a
        batch is more than the network takes or a change belongs before the checkpoint.
        """
        size = self._spec.batch_rows(len(training))
        if size > self._network.batch:
            raise ValueError(f"a batch has {size} rows, but the network takes at most {self._network.batch}")
        if self._stopping is not None and validation is None:
            raise ValueError("early stopping needs rows to validate on")
        self._rows = len(training)
        self._steps_an_epoch = math.ceil(self._spec.batches(self._rows) / self._spec.accumulate)
        self._batches = EpochBatches(self._spec, training, size, self._randomness)
        self._watch.start(self._watch.seconds)
        if checkpoint is not None:
            self._resume(checkpoint)
            del checkpoint  # it may take as much memory as the training itself
        self._changes.replay(changes, self.step)
        self._build_schedules()
        while self._sums.batches or self._begins_an_epoch():
            yield from self._epoch(self._batches.of(self.epoch, skip=self._sums.batches))
            point = self._point(validation, size)
            self._sums.reset()
            yield Progress(self.epoch, self.step, point)
        self._watch.stop()
        self.restore_best()

    def _begins_an_epoch(self) -> bool:
        """Begin another epoch, if there is one."""
        self._apply_changes()
        if self.epoch >= self.epochs or self._is_over():
            return False
        self.epoch += 1
        self._metric.reset()
        return True

    def _is_over(self) -> bool:
        """Whether early stopping has seen enough."""
        return self._stopping is not None and self._stopping.is_over(self.epochs_done)

    def _apply_changes(self) -> None:
        """Let the changes take effect that are due, unless batches wait for their step."""
        if self._gathered is None or not self._gathered.count:
            for changes in self._changes.take(self.step):
                self._adopt(changes)

    def _adopt(self, changes: Changes) -> None:
        self.learning_rate = changes.learning_rate or self.learning_rate
        if changes.epochs is not None:
            self.epochs = changes.epochs
            self._build_schedules()
        if changes.patience is not None and self._stopping is not None:
            self._stopping.patience = changes.patience

    def _build_schedules(self) -> None:
        """All schedules for as many epochs."""
        self._schedule = self._spec.schedule.build(self._steps_an_epoch, self.epochs)
        self._moves.build(self._steps_an_epoch, self.epochs)

    def _point(self, validation: Examples | None, size: int) -> Point:
        """Validate after an epoch, and let the losses count; returns what is known."""
        train_loss = self._sums.loss
        metrics = {f"train_{name}": value for name, value in self._metric.result().items()}
        penalty = self._quiet.run(self._penalty_value)
        validation_loss = None
        if validation is not None:
            with self._weights_to_keep():
                validation_loss = self._quiet.run(self._validate, validation.batches(size))
                figures = self._metric.result()
                if self._stopping is not None:
                    self._stopping.update(self.epoch, validation_loss, figures)
            metrics |= {f"validation_{name}": value for name, value in figures.items()}
        if self._plateau is not None:
            self._plateau.update(train_loss if validation_loss is None else validation_loss)
        return Point(
            self.epoch,
            self.step,
            train_loss,
            validation_loss,
            self._sums.learning_rate,
            penalty,
            metrics,
            self._watch.seconds,
        )

    def restore_best(self) -> None:
        """Give the network the weights to keep: of the best epoch so far, or else their average.

        A checkpoint still has the last ones, with which a training would go on.
        """
        kept = self._kept
        if kept is not None and not kept.in_network:
            kept.swap()

    @property
    def _kept(self) -> WeightsApart | None:
        """The weights to keep, where they are not the last ones."""
        if self._stopping is not None and self._stopping.best_epoch is not None:
            return self._stopping.best
        return self._average.average if self._average is not None else None

    def checkpoint(self) -> Checkpoint:
        """All that the run needs to go on after what was yielded last, or after its end."""
        facts = {
            "epoch": self.epoch,
            "epochs_done": self.epochs_done,
            "batches_done": self._sums.batches,
            "step": self.step,
            "seconds": self._watch.seconds,
            **identity(self._spec, self._rows),
        }
        parts = {name: part.checkpoint() for name, part in self._parts().items()}
        if self._kept is not None and self._kept.in_network:
            parts["network"].arrays.update(theta=self._kept.theta, state=self._kept.state)  # the last ones
        return Checkpoint.of(facts, **parts)

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Be as the run was at the checkpoint; raises `CheckpointMismatch`."""
        facts = checkpoint.facts
        check_identity(facts, self._spec, self._rows)
        self.epoch = facts["epoch"]
        for name, part in self._parts().items():
            part.resume(checkpoint.part(name))
        self._watch.start(facts["seconds"])
        for _, changes in self.applied:
            self._adopt(changes)

    def _parts(self) -> dict[str, _Part]:
        """All that remembers something from one batch to the next."""
        parts: dict[str, _Part | None] = {
            "network": self._network,
            "optimizer": self._optimizer,
            "metric": self._metric,
            "sums": self._sums,
            "order": self._batches,
            "changes": self._changes,
            "gathered": self._gathered,
            "average": self._average,
            "plateau": self._plateau,
            "stopping": self._stopping,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _weights_to_keep(self) -> AbstractContextManager[None]:
        return nullcontext() if self._average is None else self._average.in_network()

    def _epoch(self, batches: Iterable[Batch]) -> Iterator[Progress]:
        """Train on the batches and sum up what they come to."""
        optimizer, quietly, sums, changes = self._optimizer, self._quiet.run, self._sums, self._changes
        base, schedule, moves = self._base_rate(), self._schedule, self._moves
        for batch in batches:
            if changes.waiting:
                self._apply_changes()
                base, schedule = self._base_rate(), self._schedule
            sums.learning_rate = learning_rate = base * schedule(optimizer.step_count)
            moves.at(optimizer.step_count)
            weight = batch.total_weight
            sums.add(quietly(self._train, batch, weight, learning_rate), weight)
            yield Progress(self.epoch, optimizer.step_count, None)
        if self._gathered is not None and self._gathered.count:
            quietly(self._step_with_the_rest, self._gathered, sums.learning_rate)

    def _base_rate(self) -> float:
        """The learning rate before the schedule."""
        return self.learning_rate * (self._plateau.factor if self._plateau else 1.0)

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
