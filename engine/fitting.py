"""From a table and a wish to a trained model: the whole way, one step after the other.

fitting = Fitting(Table(frame, types), GoalSpec(target="species"))
for progress in fitting.run():
    ...
model = fitting.model
model.predict(rows)
fitting.evaluate(model)
"""

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.appraisal import REPORT_ROWS, Appraisal
from engine.arrays import Array, Shape
from engine.checkpoint import Checkpoint
from engine.class_balance import class_counts, rare_classes
from engine.encoded import columns_of, drawn, encoded_bytes, evenly, in_memory, on_disk
from engine.encoding import DatasetWarning, NoUsableFeature, WarningCode
from engine.encoding.split import Indices
from engine.encoding.table import TableEncoder
from engine.encoding.target import (
    AnyTarget,
    RegressionTarget,
)
from engine.evaluation import AnyEvaluation, evaluate
from engine.forecasting.windows import ROW
from engine.goal import GoalSpec, Plan, Rows
from engine.ids import check_mixup, first_embedding, note_of_ids
from engine.large_table import LargeTable
from engine.members import answers_fit, loss_of, metric_of, misfit
from engine.model import Model
from engine.network import Network, NetworkSpec
from engine.partition import LearningProblem, Table, part, with_share
from engine.plan_report import plan_of, with_learning_curve
from engine.planning import (
    check_amounts,
    check_target,
    choose_features,
    counts_note,
    decide_task,
    numbers_with_values,
    only_feature,
    row_numbers_among,
    rows_with_target,
    weights_note,
)
from engine.pretraining.greedy import check_inputs, stack
from engine.randomness import Randomness
from engine.recipes import choose
from engine.room import Room
from engine.row_losses import RowRecorder, followed
from engine.spec import InvalidSpec
from engine.starting import Beginning, as_encoded, check_ends, check_network
from engine.target_fitting import fit_target
from engine.tasks import DEFAULT_LOSS, Head, Link, fit_head
from engine.training import (
    Applied,
    Changes,
    Examples,
    Progress,
    Stopwatch,
    Trainer,
    TrainingSpec,
)
from engine.training.rate_factors import check_factors, check_rate_factors
from engine.weights import RowWeights

FITTED_ROWS = 1_000_000
"""Rows at most that scales and categories are fitted on."""

__all__ = ["Fitting", "Table"]


class Fitting:
    """A training from a table: decided when it is made, carried out by `run`.

    The order of the decisions: rows with a target, task, features, split, encoders (fitted on the
    training rows only), target, network. Raises `InvalidSpec` with the path of the field to blame.

    One of several networks of a recipe has its own rows and seed; encoders and target are then fitted on the rows
    of all of them, so that they read the same inputs and give the same outputs.
    """

    plan: Plan
    goal: GoalSpec  # with everything filled in
    training: TrainingSpec  # the same
    network_spec: NetworkSpec  # as it is trained, with everything filled in
    encoder: TableEncoder
    target: AnyTarget
    known_rows: pl.DataFrame  # of all networks of the training, typed, all of the table's columns
    row_numbers: Indices  # of these in the table, from 0
    validating: Indices | None  # which of these validate this network; None: rows of another table, or none

    def __init__(  # noqa: PLR0913 - the inputs of a training, most of which are left out
        self,
        table: Table,
        goal: GoalSpec,
        network: NetworkSpec | None = None,
        training: TrainingSpec | None = None,
        validation: Table | None = None,
        *,
        start: Model | None = None,
        member: int | None = None,
        room: Room | None = None,
    ) -> None:
        """Decide everything.

        `network`: the recommended one if None. `validation`: the table that the recipe names, if it does.
        `start`: a model whose weights training starts from; without a `network` it gives that too.
        `member`: the number of the network, from 0, where the recipe trains several.
        `room`: the memory and the disk that there are; without it, all is held in memory. Where rows are held changes
        no bit of what is learned.
        """
        self._windows = table.windows
        rows = rows_with_target(goal, table.frame)
        self._task, reason = decide_task(goal, rows, table.types)
        check_target(goal, self._task, rows, table.types)
        training = training or TrainingSpec()
        features = choose_features(goal, table.types, apart=training.validation.group_column)
        given = start.network if network is None and start is not None else network
        self._recipe, self._recipe_note = choose(
            goal,
            training,
            self._task,
            rows.height,
            has_network=given is not None,
            alone=only_feature(goal, rows, table.types, features),
        )
        self.training = self._spec = self._recipe.trained(training)
        if start is not None:
            goal = as_encoded(goal, start)
        self.goal = self._goal = goal = self._recipe.goal(goal)
        self._randomness, self._member = Randomness(self._spec.seed, member), member
        self._warnings: list[DatasetWarning] = []
        self._start = start
        self._trainer: Trainer | None = None
        self._recorder: RowRecorder | None = None
        self._asked: list[Changes] = []  # before there is a trainer
        self._table, self._types = table, table.types

        self._loss = DEFAULT_LOSS[self._task] if self._spec.loss == "auto" else self._spec.loss
        check_amounts(goal, self._task, self._loss, rows)
        problem = LearningProblem(goal, table.types, self._task, self._loss)
        parted = part(rows, problem, self._spec, self._randomness, validation, member)
        self._parted, self._problem = parted, problem
        self._train_rows, self._validation_rows = parted.training, parted.validation
        self._apart = [0 if rows is None else rows.height for rows in (parted.calibration, parted.test)]
        self.known_rows, self.validating = parted.rows, parted.validating
        self.row_numbers = numbers_with_values(table.frame, goal.targets)[parted.numbers]
        if table.windows is not None:
            self.row_numbers = table.frame[ROW].to_numpy()[self.row_numbers]
        self._fitted_rows = parted.training if member is None else parted.rows
        self._warnings += parted.warnings
        self.encoder = self._fit_encoder(
            features, self._recipe.image_shape if given is None else given.image_shape
        )
        self.target = fit_target(problem, self.known_rows, self._fitted_rows, self.encoder)
        self._weights = self._row_weights(self._train_rows)
        self._room = self._needed(room)
        if start is not None:
            check_ends(start, self.encoder.width, self.target.outputs)
        self._head = self._fit_head(
            given or self._recipe.network_for(self.encoder.blocks, self.encoder.shape)
        )
        self.network_spec = self._head.network
        if start is not None:
            check_network(start, self.network_spec)
        self._pretraining_note = self._check_pretraining()
        self.plan = self._plan(table.frame.height - rows.height, reason, features)
        if member is None:
            curve, seconds = self._spec.learning_curve, self.plan.estimated_seconds
            self.plan = with_learning_curve(self.plan, curve, seconds)
        self.appraisal = Appraisal(table, parted, problem, self._spec, seconds=self.plan.estimated_seconds)

    def _needed(self, room: Room | None) -> Room | None:
        """The room, where the rows are too large to be held in memory."""
        rows = self._train_rows.height + (
            0 if self._validation_rows is None else self._validation_rows.height
        )
        fits = room is None or room.holds(encoded_bytes(rows, self.encoder, self.target))
        return None if fits and not isinstance(self._table, LargeTable) else room

    def run(
        self, checkpoint: Checkpoint | None = None, changes: Sequence[tuple[int, Changes]] = ()
    ) -> Iterator[Progress]:
        """Train; yields, takes a checkpoint and changes, and raises as `Trainer.run` does. Once only."""
        batch = self._spec.batch_rows(self._train_rows.height)
        self._network = Network(
            self.network_spec, self.encoder.shape, batch=batch, rng=self._randomness.dropout
        )
        training = self._examples(self._train_rows)
        watch = Stopwatch()
        watch.start()
        self._beginning = Beginning(self._spec, self._network, self._randomness, watch)
        if checkpoint is None and self._start is not None:
            self._beginning.take(self._start)
        elif checkpoint is None:
            self._beginning.draw(training.x)
        if checkpoint is None or "pretraining" in checkpoint.facts:
            yield from self._beginning.pretrain(training.x, checkpoint)
            checkpoint = None
        numbers = self.target if isinstance(self.target, RegressionTarget) else None
        scale, bounds = (np.array(numbers.stds), numbers.bounds) if numbers else (None, None)
        shape, dtype = self._network.out_shape, self._network.dtype
        metric = metric_of(
            self._task, self._head.link, shape, batch=batch, dtype=dtype, scale=scale, bounds=bounds
        )
        loss = loss_of(self._loss, self._task, shape, batch=batch, dtype=dtype)
        trainer = Trainer(self._spec, self._network, loss, metric, self._randomness, watch)
        for asked in self._asked:
            trainer.change(asked)
        validation = None
        if self._validation_rows is not None:
            validation = self._examples(self._validation_rows)
        self._trainer = trainer
        if self._spec.row_losses:
            self._recorder = self._new_recorder(training.x)
            if checkpoint is not None:
                self._recorder.resume(checkpoint.part("row_losses"))
        for progress in trainer.run(training, validation, checkpoint, changes):
            if self._recorder is not None and progress.point is not None:
                self._recorder.record(progress.epoch)
            yield progress

    def _new_recorder(self, x: Array) -> RowRecorder:
        places = followed(len(x), self.target.outputs)
        truth = self.target.truth(self._train_rows[places], x.reshape(len(x), -1)[places])
        return RowRecorder(self._network, self._head.link, self.target, x, truth, places)

    def checkpoint(self) -> Checkpoint:
        """All that `run` needs to go on after what it yielded last, or after its end.

        Its arrays hold until the run goes on.
        """
        if self._trainer is None:
            return self._beginning.checkpoint()
        trained = self._trainer.checkpoint()
        return trained if self._recorder is None else trained.joined(row_losses=self._recorder.checkpoint())

    def change(self, changes: Changes) -> None:
        """Let `changes` take effect before the next step; raises `InvalidSpec` where they make no sense."""
        changes.check(self._spec)
        if self._trainer is None:
            self._asked.append(changes)
        else:
            self._trainer.change(changes)

    @property
    def applied(self) -> Sequence[Applied]:
        """The changes that have taken effect so far, in order."""
        return () if self._trainer is None else self._trainer.applied

    @property
    def link(self) -> Link:
        """What is to be applied to the network's outputs."""
        return self._head.link

    @property
    def model(self) -> Model:
        """The model with the weights that the training has now."""
        return self._model_of(self._network.theta, self._network.state).keeping(self._kept_of_rows())

    def model_at(self, checkpoint: Checkpoint) -> Model:
        """The model with the weights that a checkpoint of this training has; the training need not run.

        Raises `CheckpointMismatch` where it is of another training, or of before the first epoch.
        """
        weights = checkpoint.part("network").arrays
        return self._model_of(weights["theta"], weights["state"])

    def _model_of(self, theta: Array, state: Array) -> Model:
        return Model(
            encoder=self.encoder,
            network=self.network_spec,
            link=self._head.link,
            target=self.target,
            theta=theta,
            state=state,
        ).reading(self._windows)

    def _kept_of_rows(self) -> dict[str, NDArray[Any]]:
        """What the model's file keeps of the rows' losses."""
        if self._recorder is None:
            return {}
        history = self._recorder.history(self.trained_numbers[0])
        return {} if history is None else history.tensors()

    def on_share(self, share: float) -> "Fitting":
        """The same training, not begun, on a share of its rows; encoders and target stay."""
        other = copy(self)
        other._randomness, other._trainer, other._asked = Randomness(self._spec.seed, self._member), None, []
        other._recorder, other._spec = None, self._spec.model_copy(update={"row_losses": False})
        parted = with_share(self._parted, share, self._problem, other._randomness)
        other._train_rows = parted.training
        other._weights = self._row_weights(parted.training)
        other.appraisal = Appraisal(self._table, parted, self._problem, self._spec, seconds=0.0)
        return other

    def settled(self, model: Model) -> Model:
        """`model` with what it learns from rows once it is trained: see `Appraisal.settled`."""
        return self.appraisal.settled(model)

    def finished(self) -> tuple[Model, AnyEvaluation | None]:
        """The model as it is to be kept, and the whole report on it, once the training is over."""
        model = self.settled(self.model)
        return model, self.report(model)

    def report(self, model: Model) -> AnyEvaluation | None:
        """The whole report on `model`: see `Appraisal.report`."""
        return self.appraisal.report(model)

    def weights_sha256(self) -> str:
        """The SHA-256 of the bytes of the weights that `model` takes: the parameters, then the state."""
        digest = hashlib.sha256(self._network.theta.tobytes())
        digest.update(self._network.state.tobytes())
        return digest.hexdigest()

    @property
    def trained_numbers(self) -> list[Indices]:
        """Of the one network, the numbers in the table, from 0, of the rows that it trains on."""
        trained = self._parted.trained
        return [self.row_numbers if trained is None else self.row_numbers[trained]]

    @property
    def network(self) -> Network:
        """The network as it is now, once `run` has begun: to look at, not to change."""
        return self._network

    @property
    def validation_rows(self) -> pl.DataFrame | None:
        """The rows that it is validated on, the same way."""
        return self._validation_rows

    @property
    def training_rows(self) -> pl.DataFrame:
        """The rows that are trained on, typed; all of the table's columns, or those that a large one holds."""
        return self._train_rows

    def whole(self, rows: pl.DataFrame, most: int) -> pl.DataFrame:
        """At most `most` of these rows, evenly spread, with all columns that the encoder reads."""
        return self._table.whole(evenly(rows, most), columns_of(self.encoder))

    def has_one_value(self, feature: str) -> bool:
        """Whether a feature is constant in the training rows."""
        return bool(self._table.whole(self._train_rows, [feature])[feature].n_unique() == 1)

    def sample(self, most: int) -> Examples:
        """Some of the training rows, at most `most`, evenly spread, as they reach the network."""
        rows = evenly(self._train_rows, most)
        return in_memory(self._table, rows, self.encoder, self.target, self._weights)

    def evaluate(self, model: Model) -> AnyEvaluation:
        """The report on the validation rows; without any, on the training rows."""
        held = self._train_rows if self._validation_rows is None else self._validation_rows
        rows = self.whole(held, REPORT_ROWS)
        x = self.encoder.encode(rows)
        return evaluate(self.target, model.answers_to(x), self.target.truth(rows, x))

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights are kept; None where the last ones are."""
        return None if self._trainer is None else self._trainer.best_epoch

    @property
    def stopped_early(self) -> bool:
        """Whether early stopping ended the training."""
        return self._trainer is not None and self._trainer.stopped_early

    def _examples(self, rows: pl.DataFrame) -> Examples:
        known = (self._table, rows, self.encoder, self.target, self._weights)
        return in_memory(*known) if self._room is None else on_disk(*known, self._room)

    def _row_weights(self, rows: pl.DataFrame) -> RowWeights:
        weights = RowWeights(self._goal.sample_weight, self._spec.class_weights, rows, self.target)
        if self._validation_rows is not None:
            weights.check(self._validation_rows)
        return weights

    def _warn(self, code: WarningCode, detail: str, column: str | None = None) -> None:
        self._warnings.append(DatasetWarning(code=code, column=column, detail=detail))

    def _fit_encoder(self, features: list[str], image_shape: Shape | None) -> TableEncoder:
        rows = drawn(self._fitted_rows, FITTED_ROWS, self._randomness.fitting)
        try:
            encoder, warnings = TableEncoder.fit(
                self._table.whole(rows, features),
                self._types,
                features,
                scaling=self._goal.scales,
                categories=self._goal.categories or "one_hot",
                texts=self._goal.texts or "leave_out",
                image_shape=image_shape,
            )
        except NoUsableFeature as error:
            raise InvalidSpec(str(error), ("features",)) from None
        self._warnings += warnings
        return encoder

    def _fit_head(self, network: NetworkSpec) -> Head:
        outputs = self.target.outputs
        try:
            head = fit_head(network, self._task, self._loss, outputs)
            layers = head.network.build(self.encoder.shape)
        except InvalidSpec as error:
            raise error.under("training" if error.path[:1] == ("loss",) else "network") from None
        last = ("network", "layers", len(layers) - 1)
        if not answers_fit(layers[-1].out_shape, outputs):
            raise InvalidSpec(misfit(head.network, layers[-1].out_shape, outputs), last)
        names = [f"{i}.{name}" for i, layer in enumerate(layers) for name in layer.param_shapes]
        self.training = self._spec = self._recipe.settled(self._spec, names)
        try:
            check_rate_factors(self._spec.rate_factors, names)
            check_factors("decay_factors", self._spec.decay_factors, names)
            check_mixup(self._spec.mixup, first_embedding(head.network))
        except InvalidSpec as error:
            raise error.under("training") from None
        if not names:
            raise InvalidSpec("the network has no parameters: there is nothing to train", last)
        return head

    def _ids_note(self) -> str | None:
        """What the plan says of inputs that an embedding cannot take, if there are any."""
        embedding = first_embedding(self.network_spec)
        if embedding is None:
            return None
        return note_of_ids(embedding, self.encoder.encode(self._some_rows()), self._goal.scales)

    def _some_rows(self) -> pl.DataFrame:
        """So many training rows that they show what all of them hold."""
        return self.whole(self._train_rows, FITTED_ROWS)

    def _size_note(self) -> str | None:
        """What the plan says of a training of many rows, or of large ones."""
        notes = []
        if self._fitted_rows.height > FITTED_ROWS:
            notes.append(
                f"how columns are encoded is fitted on {FITTED_ROWS:,} of the {self._fitted_rows.height:,} rows, drawn "
                f"by the seed; the report is on at most {REPORT_ROWS:,} rows"
            )
        if self._room is not None:
            notes.append("the encoded rows are mapped from a file on the disk, not held in memory")
        return "; ".join(notes) or None

    def _check_pretraining(self) -> str | None:
        """What the plan says of pretraining, if there is any and it can work."""
        spec = self._spec.pretraining
        if spec is None:
            return None
        if self._start is not None:
            raise InvalidSpec("the weights come from a model: leave it out", ("training", "pretraining"))
        layers = ", ".join(map(str, stack(self.network_spec)))
        try:
            check_inputs(spec, self.encoder.encode(self._some_rows()))
        except InvalidSpec as error:
            raise error.under("training", "pretraining") from None
        return f"the dense layers at {layers} start by {spec.kind} pretraining over {spec.visible} inputs"

    def _plan(self, dropped: int, reason: str, features: list[str]) -> Plan:
        if dropped:
            self._warn("missing_target", f"{dropped} rows without a target are left out")
        counts = class_counts(self.target, self._train_rows)
        self._warnings += rare_classes(self.target, counts)
        self._warnings += row_numbers_among(self._goal, self._table.frame, features)
        training = self._train_rows.height
        validation = 0 if self._validation_rows is None else self._validation_rows.height
        plan = plan_of(
            self._goal,
            self._spec,
            task=self._task,
            reason=reason,
            loss=self._loss.kind,
            features=features,
            rows=Rows(
                total=training + validation + sum(self._apart) + dropped,
                dropped=dropped,
                training=training,
                validation=validation,
                calibration=self._apart[0],
                test=self._apart[1],
            ),
            encoder=self.encoder,
            target=self.target,
            class_counts=counts,
            network=self.network_spec,
            held=None if self._room is None else self._table.frame.width,
            notes=(
                self._recipe_note,
                None if self._windows is None else self._windows.note,
                self._head.note,
                self._pretraining_note,
                self._ids_note(),
                counts_note(self._goal, self._task, self._train_rows),
                weights_note(self._goal),
                self._size_note(),
            ),
            warnings=self._warnings,
        )
        return (
            plan
            if self._windows is None
            else plan.model_copy(update={"features": list(self._windows.numbers)})
        )
