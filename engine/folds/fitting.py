"""The training of several networks, one after the other, with the interface of `Fitting`.

Each is a `Fitting` of its own, on its own rows and with its own seed. Epochs, steps and seconds count on from one to
the next. One network is in memory at a time: of those that are done only the weights stay.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from engine.appraisal import Appraisal
from engine.arrays import Array
from engine.checkpoint import Checkpoint, CheckpointMismatch
from engine.encoding.split import Indices
from engine.encoding.table import TableEncoder
from engine.encoding.target import AnyTarget
from engine.ensemble import Ensemble
from engine.fitting import Fitting, Table
from engine.folds.out_of_fold import OutOfFold, out_of_fold
from engine.folds.plan import plan_of_all
from engine.forecasting.problem import as_examples
from engine.goal import GoalSpec, Plan
from engine.model import Model
from engine.network import Network, NetworkSpec
from engine.plan_report import with_learning_curve
from engine.reports import AnyEvaluation, RowsOf
from engine.room import Room
from engine.spec import InvalidSpec
from engine.training import (
    Applied,
    Changes,
    Diverged,
    Examples,
    FractionValidation,
    KFoldValidation,
    Progress,
    TrainingSpec,
)
from engine.trust.baselines import Baselines


@dataclass(frozen=True)
class Ended:
    """A network whose training has ended."""

    epochs: int
    steps: int
    seconds: float
    best_epoch: int | None
    stopped_early: bool


class Weights(NamedTuple):
    """What a network has learned."""

    theta: Array
    state: Array


class EnsembleFitting:
    """The training of a recipe's networks: decided when it is made, carried out by `run`."""

    plan: Plan
    goal: GoalSpec  # with everything filled in
    training: TrainingSpec  # the same
    network_spec: NetworkSpec  # of every network, as it is trained

    def __init__(
        self,
        table: Table,
        goal: GoalSpec,
        network: NetworkSpec | None,
        training: TrainingSpec,
        validation: Table | None = None,
        *,
        start: Model | None = None,
    ) -> None:
        """Decide everything, for every network; as `Fitting`, for a recipe with several `members`."""
        self._table, self._validation, self._start = table, validation, start
        first = Fitting(table, goal, network, training, validation, start=start, member=0)
        self.goal, self.training, self.network_spec = first.goal, first.training, first.network_spec
        fittings = (first if number == 0 else self._make(number) for number in range(training.members))
        decided = [(fitting.plan, fitting.validating, fitting.trained_numbers[0]) for fitting in fittings]
        self._validating = [validating for _, validating, _ in decided]
        self._trained_numbers = [numbers for _, _, numbers in decided]
        plan = plan_of_all(
            [plan for plan, _, _ in decided], self.training, first.network_spec, first.known_rows.height
        )
        self.plan = with_learning_curve(plan, self.training.learning_curve, decided[-1][0].estimated_seconds)
        self._current = first
        self._ended: list[Ended] = []
        self._weights: list[Weights] = []
        self._out_of_fold: OutOfFold | None = None
        self._appraised: Appraisal | None = None

    def _make(self, number: int) -> Fitting:
        """The training of one network, decided; the recipe has been followed when the first one was."""
        return Fitting(
            self._table,
            self.goal.model_copy(update={"quality": None}),
            self.network_spec,
            self.training,
            self._validation,
            start=self._start,
            member=number,
        )

    def run(
        self, checkpoint: Checkpoint | None = None, changes: Sequence[tuple[int, Changes]] = ()
    ) -> Iterator[Progress]:
        """Train one network after the other; yields and raises as `Fitting.run` does. Once only.

        Goes on after a `checkpoint` of the same training, bit by bit as if it had not stopped. There are no `changes`.
        """
        assert not changes, "networks that are to be compared train alike"
        running = None if checkpoint is None else self._resume(checkpoint)
        del checkpoint
        for number in range(len(self._ended), self.training.members):
            if number > 0:
                del self._current  # with its network, before there is another
                self._current = self._make(number)
            try:
                for progress in self._current.run(running):
                    running = None
                    yield self._placed(progress)
            except Diverged as error:
                what = f"{error.what} of network {number + 1}"
                raise Diverged(error.step + self._steps, error.epoch + self._epochs, what) from error
            self._end()

    def _resume(self, checkpoint: Checkpoint) -> Checkpoint:
        """Know the networks that were done; the checkpoint of the one that was running."""
        if "ended" not in checkpoint.facts:
            raise CheckpointMismatch("the checkpoint is of the training of a single network")
        self._ended = [Ended(**ended) for ended in checkpoint.facts["ended"]]
        for number in range(len(self._ended)):
            arrays = checkpoint.part(f"network{number}").arrays
            self._weights.append(Weights(arrays["theta"].copy(), arrays["state"].copy()))
        return checkpoint.part("running")

    def _end(self) -> None:
        """Keep what the present network has learned."""
        fitting = self._current
        facts = fitting.checkpoint().facts
        self._weights.append(Weights(fitting.network.theta.copy(), fitting.network.state.copy()))
        self._ended.append(
            Ended(
                epochs=facts["epochs_done"],
                steps=facts["step"],
                seconds=facts["seconds"],
                best_epoch=fitting.best_epoch,
                stopped_early=fitting.stopped_early,
            )
        )

    @property
    def _epochs(self) -> int:
        """Of the networks that are done."""
        return sum(ended.epochs for ended in self._ended)

    @property
    def _steps(self) -> int:
        return sum(ended.steps for ended in self._ended)

    @property
    def _seconds(self) -> float:
        return sum(ended.seconds for ended in self._ended)

    def _placed(self, progress: Progress) -> Progress:
        """A sign of life of the present network as one of the whole training."""
        point = progress.point
        if point is not None:
            point = point._replace(
                epoch=self._epochs + point.epoch,
                step=self._steps + point.step,
                seconds=self._seconds + point.seconds,
                fold=len(self._ended) + 1,
                fold_epoch=point.epoch,
            )
        return Progress(self._epochs + progress.epoch, self._steps + progress.step, point)

    def checkpoint(self) -> Checkpoint:
        """All that `run` needs to go on after what it yielded last, or after its end.

        Its arrays hold until the run goes on.
        """
        done = min(len(self._ended), self.training.members - 1)  # the last network's end is told by itself
        ended, running = self._ended[:done], self._current.checkpoint()
        now = running.facts
        facts = {
            "epoch": sum(network.epochs for network in ended) + now.get("epoch", 0),
            "epochs_done": sum(network.epochs for network in ended) + now.get("epochs_done", 0),
            "batches_done": now.get("batches_done", 0),
            "step": sum(network.steps for network in ended) + now.get("step", 0),
            "seconds": sum(network.seconds for network in ended) + now.get("seconds", 0.0),
            "ended": [asdict(network) for network in ended],
        }
        weights = {f"network{i}": Checkpoint(self._weights[i]._asdict()) for i in range(done)}
        return Checkpoint.of(facts, running=running, **weights)

    def change(self, changes: Changes) -> None:
        """Refuse: networks that are to be compared train alike."""
        raise InvalidSpec("a training of several networks cannot be changed on its way")

    @property
    def applied(self) -> Sequence[Applied]:
        """The changes that have taken effect: none."""
        return ()

    @property
    def model(self) -> Ensemble:
        """The networks together, once all are trained, with the out-of-fold answers in its file."""
        assert len(self._weights) == self.training.members, "the training is over"
        ensemble = Ensemble(
            encoder=self.encoder,
            network=self.network_spec,
            link=self._current.link,
            target=self.target,
            weights=self._weights,
        ).reading(self._table.windows)
        held_out = self.out_of_fold(ensemble)
        if held_out is not None and self._of_the_table and ensemble.target.kind != "autoencoding":
            ensemble = ensemble.keeping(held_out.tensors(self._current.row_numbers))
        return ensemble

    def out_of_fold(self, ensemble: Ensemble) -> OutOfFold | None:
        """The answers of the ensemble's networks to rows that they did not train on, if any rows validate."""
        if self._out_of_fold is None and (rows := self._validation_rows) is not None:
            parts = [validating for validating in self._validating if validating is not None]
            if not self._of_the_table:
                parts = [np.arange(rows.height)] * self.training.members
            self._out_of_fold = out_of_fold(ensemble, rows, parts)
        return self._out_of_fold

    @property
    def _of_the_table(self) -> bool:
        """Whether networks validate on rows of the table."""
        return isinstance(self.training.validation, FractionValidation | KFoldValidation)

    @property
    def _validation_rows(self) -> pl.DataFrame | None:
        """The rows of which some, or all, validate a network."""
        return self._current.known_rows if self._of_the_table else self._current.validation_rows

    def settled(self, model: Ensemble) -> Ensemble:
        """`model` with what it learns from rows once it is trained: see `Appraisal.settled`."""
        return self._appraisal(model).settled(model)

    def finished(self) -> tuple[Ensemble, AnyEvaluation | None]:
        """The networks together as they are to be kept, and the whole report on them, once all are trained."""
        model = self.settled(self.model)
        return model, self.report(model)

    def report(self, model: Ensemble) -> AnyEvaluation | None:
        """The report on out-of-fold answers, with every network's by itself.

        Simpler models stand beside the last network: they learn from its rows and are tried on those that it is.
        """
        report = self._appraisal(model).report(model)
        held_out = self.out_of_fold(model)
        if report is None or held_out is None:
            return report
        baselines = self._baselines_of_the_last() if self.training.baselines != "none" else None
        of: RowsOf = "out_of_fold" if self._of_the_table else "validation"
        return report.model_copy(
            update={
                "of": of,
                "folds": held_out.folds,
                "spread": held_out.spread,
                "baselines": baselines,
            }
        )

    def _baselines_of_the_last(self) -> Baselines | None:
        alone = self._current.report(self._current.model)
        if alone is None or alone.baselines is None:
            return None
        which = f"the last of the {len(self._weights)} networks, on the {alone.rows:,} rows that it is validated on"
        summary = [f"simpler models stand beside {which}", *alone.baselines.summary]
        return alone.baselines.model_copy(update={"summary": summary})

    def _appraisal(self, model: Ensemble) -> Appraisal:
        """One for settling and report: the second tells of the temperature that the first has found."""
        if self._appraised is None:
            held_out, rows = self.out_of_fold(model), self._validation_rows
            self._appraised = self._current.appraisal
            if held_out is not None and rows is not None:
                self._appraised = self._appraised.of_networks(rows[held_out.rows], held_out.answers)
        return self._appraised

    def weights_sha256(self) -> str:
        """The SHA-256 of the bytes of all weights: the parameters, then the state, network after network."""
        digest = hashlib.sha256()
        for theta, state in self._weights:
            digest.update(theta.tobytes())
            digest.update(state.tobytes())
        return digest.hexdigest()

    @property
    def encoder(self) -> TableEncoder:
        """The encoder of every network."""
        return self._current.encoder

    @property
    def target(self) -> AnyTarget:
        """The target of every network."""
        return self._current.target

    @property
    def last(self) -> Fitting:
        """The training of the last network, once all are trained."""
        return self._current

    @property
    def network(self) -> Network:
        """The present network, once `run` has begun: to look at, not to change."""
        return self._current.network

    @property
    def training_rows(self) -> pl.DataFrame:
        """The rows that the present network is trained on."""
        return self._current.training_rows

    def has_one_value(self, feature: str) -> bool:
        """Whether a feature is constant in these rows."""
        return self._current.has_one_value(feature)

    def sample(self, most: int) -> Examples:
        """Some of these rows, as `Fitting.sample` gives them."""
        return self._current.sample(most)

    @property
    def trained_numbers(self) -> list[Indices]:
        """Of each network, the numbers in the table, from 0, of the rows that it trains on."""
        return self._trained_numbers

    @property
    def best_epoch(self) -> list[int | None]:
        """Of each network, the epoch whose weights are kept; None where the last ones are."""
        return [ended.best_epoch for ended in self._ended]

    @property
    def stopped_early(self) -> bool:
        """Whether early stopping ended any of the trainings."""
        return any(ended.stopped_early for ended in self._ended)


AnyFitting = Fitting | EnsembleFitting


def fitting_for(
    table: Table,
    goal: GoalSpec,
    network: NetworkSpec | None,
    training: TrainingSpec,
    validation: Table | None = None,
    *,
    start: Model | None = None,
    room: Room | None = None,
) -> AnyFitting:
    """The training of one network, or of several where the recipe has more `members`; as `Fitting`.

    A wish about a series is turned into one about a table of windows first. Several networks hold all rows in memory,
    whatever the room.
    """
    if goal.series is not None:
        table, goal, training, validation = as_examples(table, goal, training, validation)
    if training.members == 1:
        return Fitting(table, goal, network, training, validation, start=start, room=room)
    return EnsembleFitting(table, goal, network, training, validation, start=start)
