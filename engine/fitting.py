"""From a table and a wish to a trained model: the whole way, one step after the other.

fitting = Fitting(Table(frame, types), GoalSpec(target="species"))
for progress in fitting.run():
    ...
model = fitting.model
model.predict(rows)
fitting.evaluate(model)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from engine.arrays import Array, Shape
from engine.encoding import ColumnType, DatasetWarning, InvalidTarget, NoUsableFeature, WarningCode
from engine.encoding.columns import cast
from engine.encoding.split import lone_classes, split
from engine.encoding.table import TableEncoder
from engine.encoding.target import (
    AnyTarget,
    ClassTarget,
    MultilabelTarget,
    ReconstructionTarget,
    RegressionTarget,
    label_text,
)
from engine.evaluation import AnyEvaluation, evaluate
from engine.goal import GoalSpec, LeftOut, Plan, Rows
from engine.ids import check_mixup, first_embedding, note_of_ids
from engine.layers.dense import UnitsSpec
from engine.members import answers_fit, loss_of, metric_of, note_of
from engine.model import Model, model_bytes
from engine.network import Network, NetworkSpec
from engine.optimizers import PerceptronRuleSpec
from engine.planning import (
    check_amounts,
    check_target,
    choose_features,
    decide_task,
    rows_with_target,
    with_values,
)
from engine.pretraining.greedy import check_inputs, pretrain, stack
from engine.randomness import Randomness
from engine.spec import InvalidSpec
from engine.summary import NetworkSummary, summarize
from engine.tasks import DEFAULT_LOSS, Head, fit_head
from engine.templates import MlpSpec, PerceptronSpec
from engine.training import (
    DatasetValidation,
    Diverged,
    Examples,
    FractionValidation,
    Progress,
    Trainer,
    TrainingSpec,
)
from engine.training.rate_factors import check_rate_factors
from engine.weights import RowWeights

ITEM_BYTES = 4  # float32


@dataclass(frozen=True)
class Table:
    """Rows with the type of each column."""

    frame: pl.DataFrame
    types: dict[str, ColumnType]


class Fitting:
    """A training from a table: decided when it is made, carried out by `run`.

    The order of the decisions: rows with a target, task, features, split, encoders (fitted on the
    training rows only), target, network. Raises `InvalidSpec` with the path of the field to blame.
    """

    plan: Plan
    network_spec: NetworkSpec  # as it is trained, with everything filled in
    encoder: TableEncoder
    target: AnyTarget

    def __init__(
        self,
        table: Table,
        goal: GoalSpec,
        network: NetworkSpec | None = None,
        training: TrainingSpec | None = None,
        validation: Table | None = None,
    ) -> None:
        """Decide everything.

        `network`: the recommended one if None. `validation`: the table that the recipe names, if it does.
        """
        self._spec = training or TrainingSpec()
        self._goal = goal
        self._randomness = Randomness(self._spec.seed)
        self._warnings: list[DatasetWarning] = []
        self._trainer: Trainer | None = None
        self._types = table.types

        rows = rows_with_target(goal, table.frame)
        self._task, reason = decide_task(goal, rows, table.types)
        check_target(goal, self._task, rows, table.types)
        self._loss = DEFAULT_LOSS[self._task] if self._spec.loss == "auto" else self._spec.loss
        check_amounts(goal, self._task, self._loss, rows)
        features = choose_features(goal, table.types)
        self._train_rows, self._validation_rows = self._split(rows, validation)
        self.encoder = self._fit_encoder(features)
        self.target = self._fit_target()
        self._weights = RowWeights(
            goal.sample_weight, self._spec.class_weights, self._train_rows, self.target
        )
        self._head = self._fit_head(network or _recommended(self._spec))
        self.network_spec = self._head.network
        self._pretraining_note = self._check_pretraining()
        self.plan = self._plan(table.frame.height - rows.height, reason, features)

    def run(self) -> Iterator[Progress]:
        """Train; yields as `Trainer.run` does and raises `Diverged`. Once only."""
        batch = self._spec.batch_rows(self._train_rows.height)
        self._network = Network(
            self.network_spec, (self.encoder.width,), batch=batch, rng=self._randomness.dropout
        )
        training = self._examples(self._train_rows)
        order = self._randomness.shuffle(1).permutation(len(training))  # a table may be sorted
        self._network.init(self._randomness.init, training.x[order[:batch]])
        yield from self._pretrain(training.x)
        scale = np.array(self.target.stds) if isinstance(self.target, RegressionTarget) else None
        shape, dtype = self._network.out_shape, self._network.dtype
        metric = metric_of(self._task, self._head.link, shape, batch=batch, dtype=dtype, scale=scale)
        loss = loss_of(self._loss, self._task, shape, batch=batch, dtype=dtype)
        self._trainer = Trainer(self._spec, self._network, loss, metric, self._randomness)
        validation = None
        if self._validation_rows is not None:
            validation = self._examples(self._validation_rows)
        yield from self._trainer.run(training, validation)

    def _pretrain(self, x: Array) -> Iterator[Progress]:
        """Give the hidden layers their start, if the recipe wants it; a sign of life after every step."""
        if self._spec.pretraining is None:
            return
        for _ in pretrain(self._spec.pretraining, self._network, x, self._randomness.pretraining):
            yield Progress(0, 0, None)
        if not np.isfinite(self._network.theta).all():
            raise Diverged(0, 0, "start that pretraining gave")

    @property
    def model(self) -> Model:
        """The model with the weights that the training has now."""
        return Model(
            encoder=self.encoder,
            network=self.network_spec,
            link=self._head.link,
            target=self.target,
            theta=self._network.theta,
            state=self._network.state,
        )

    def evaluate(self, model: Model) -> AnyEvaluation:
        """The report on the validation rows; without any, on the training rows."""
        rows = self._train_rows if self._validation_rows is None else self._validation_rows
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
        x = self.encoder.encode(rows)
        return Examples(x, self.target.encode(rows, x), self._weights.of(rows))

    def _warn(self, code: WarningCode, detail: str, column: str | None = None) -> None:
        self._warnings.append(DatasetWarning(code=code, column=column, detail=detail))

    def _split(self, rows: pl.DataFrame, table: Table | None) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Training and validation rows; classes keep their shares."""
        if isinstance(self._spec.validation, DatasetValidation):
            assert table is not None, "the caller opens the table that the recipe names"
            return rows, self._known_rows(rows, table)
        if not isinstance(self._spec.validation, FractionValidation):
            return rows, None
        strata = None
        if self._task in {"binary", "multiclass"}:
            labels = rows[self._goal.targets[0]]
            strata = labels.rank("dense").to_numpy()
            for label in lone_classes(labels.to_numpy()):
                self._warn(
                    "lone_class", f"{label!r} is in one row only, which stays in training", labels.name
                )
        train, held_out = split(rows.height, self._spec.validation.fraction, self._randomness.split, strata)
        return rows[train], rows[held_out]

    def _known_rows(self, rows: pl.DataFrame, table: Table) -> pl.DataFrame:
        """The rows of a validation table that have targets, of classes that training knows."""
        at = ("training", "validation", "dataset_id")
        missing = [name for name in rows.columns if name not in table.types]
        if missing:
            raise InvalidSpec(f"the validation data set has no column {missing[0]!r}", at)
        frame = with_values(cast(table.frame[rows.columns], self._types), self._goal.targets)
        if self._task in {"binary", "multiclass"}:
            target = self._goal.targets[0]
            known = frame.filter(frame[target].is_in(rows[target].unique().implode()))
            if known.height < frame.height:
                self._warn(
                    "missing_target", f"{frame.height - known.height} validation rows have unknown classes"
                )
            frame = known
        if frame.is_empty():
            raise InvalidSpec("the validation data set has no rows with a known target", at)
        try:
            check_amounts(self._goal, self._task, self._loss, frame)
        except InvalidSpec as error:
            raise InvalidSpec(f"the validation data set: {error.detail}", at) from None
        return frame

    def _fit_encoder(self, features: list[str]) -> TableEncoder:
        try:
            encoder, warnings = TableEncoder.fit(
                self._train_rows, self._types, features, scaling=self._goal.scaling
            )
        except NoUsableFeature as error:
            raise InvalidSpec(str(error), ("features",)) from None
        self._warnings += warnings
        return encoder

    def _fit_target(self) -> AnyTarget:
        names = self._goal.targets
        try:
            match self._task:
                case "binary" | "multiclass":
                    return ClassTarget.fit(self._train_rows, names, self._task)
                case "multilabel":
                    return MultilabelTarget.fit(self._train_rows, names)
                case "regression":
                    if self._loss.takes == "logarithms":
                        return RegressionTarget.fit_amounts(self._train_rows, names)
                    return RegressionTarget.fit(self._train_rows, names)
                case "autoencoding":
                    return ReconstructionTarget(width=self.encoder.width)
        except InvalidTarget as error:
            raise InvalidSpec(error.detail, ("target",)) from None

    def _fit_head(self, network: NetworkSpec) -> Head:
        outputs = self.target.outputs
        try:
            head = fit_head(network, self._task, self._loss, outputs)
            layers = head.network.build((self.encoder.width,))
        except InvalidSpec as error:
            raise error.under("training" if error.path[:1] == ("loss",) else "network") from None
        last = ("network", "layers", len(layers) - 1)
        if not answers_fit(layers[-1].out_shape, outputs):
            raise InvalidSpec(_misfit(head.network, layers[-1].out_shape, outputs), last)
        names = [f"{i}.{name}" for i, layer in enumerate(layers) for name in layer.param_shapes]
        try:
            check_rate_factors(self._spec.rate_factors, names)
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
        return note_of_ids(embedding, self.encoder.encode(self._train_rows), self._goal.scaling)

    def _check_pretraining(self) -> str | None:
        """What the plan says of pretraining, if there is any and it can work."""
        spec = self._spec.pretraining
        if spec is None:
            return None
        layers = ", ".join(map(str, stack(self.network_spec)))
        try:
            check_inputs(spec, self.encoder.encode(self._train_rows))
        except InvalidSpec as error:
            raise error.under("training", "pretraining") from None
        return f"the dense layers at {layers} start by {spec.kind} pretraining over {spec.visible} inputs"

    def _plan(self, dropped: int, reason: str, features: list[str]) -> Plan:
        if dropped:
            self._warn("missing_target", f"{dropped} rows without a target are left out")
        used = {feature.name for feature in self.encoder.features}
        training = self._train_rows.height
        validation = 0 if self._validation_rows is None else self._validation_rows.height
        network = summarize(
            self.network_spec,
            (self.encoder.width,),
            batch=self._spec.batch_rows(training),
            slots=self._spec.values_per_parameter,
        )
        width = self.encoder.width + self.target.outputs
        copied = self._spec.copied_rows(training, width * ITEM_BYTES)
        values = (training + copied + validation) * width
        return Plan(
            task=self._task,
            task_reason=reason,
            target=list(self._goal.targets),
            classes=[label_text(label) for label in self.target.classes]
            if isinstance(self.target, ClassTarget)
            else None,
            features=[name for name in features if name in used],
            left_out=[
                LeftOut(column=warning.column, reason=warning.detail)
                for warning in self._warnings
                if warning.column in set(features) - used
            ],
            rows=Rows(
                total=training + validation + dropped,
                dropped=dropped,
                training=training,
                validation=validation,
            ),
            input_shape=[self.encoder.width],
            outputs=self.target.outputs,
            loss=self._loss.kind,
            network=network,
            memory_bytes=values * ITEM_BYTES
            + network.training_bytes
            + model_bytes(self.network_spec, self.encoder.width)
            + network.bytes,  # the model's file
            estimated_seconds=estimated_seconds(network, self._spec, training, validation),
            notes=list(
                filter(None, (self._head.note, note_of(network), self._pretraining_note, self._ids_note()))
            ),
            warnings=self._warnings,
        )


def _recommended(training: TrainingSpec) -> NetworkSpec:
    """The network for whoever brings none."""
    if isinstance(training.optimizer, PerceptronRuleSpec):
        return PerceptronSpec().build()  # the rule at its usual rate tears deeper ones apart
    return MlpSpec().build()


def _misfit(network: NetworkSpec, shape: Shape, outputs: int) -> str:
    """What is wrong with a network whose outputs are not the target's, and what to do."""
    if isinstance(network.layers[-1], UnitsSpec):
        advice = "leave out the last dense layer's units, or make them fit"
    else:
        advice = f"end with {'a flatten and ' if len(shape) > 1 else ''}a dense layer without units"
    return f"the network has outputs of shape {list(shape)}, but the target needs {outputs}: {advice}"


def estimated_seconds(network: NetworkSummary, spec: TrainingSpec, training: int, validation: int) -> float:
    """A rough estimate for all epochs: calls of NumPy for small networks, multiply-adds for large ones."""
    calls_a_step = 10 + 8 * len(network.layers)
    steps = -(-training // spec.batch_rows(training))
    seconds_of_calls = calls_a_step * steps * 2e-6
    # A backward pass costs two forward ones.
    passes = 3 * training * spec.optimizer.evaluations + validation
    multiply_adds = min(network.multiply_adds, 10**30)  # whole numbers have no bound, floats do
    seconds_of_arithmetic = multiply_adds * passes / 2e10
    epochs = spec.epochs + (
        spec.pretraining.epochs if spec.pretraining else 0
    )  # an epoch of it costs much the same
    return epochs * (seconds_of_calls + seconds_of_arithmetic)
