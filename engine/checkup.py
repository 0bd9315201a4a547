"""From a training that is about to start to its doctor: the sample of rows and the figures that the doctor needs."""

import numpy as np

from engine.arrays import Array, Shape
from engine.doctor import Case, Doctor, FeatureColumns
from engine.encoding.column_encoders import CategoricalEncoder, ColumnEncoder
from engine.folds.fitting import AnyFitting
from engine.losses import AnyLoss
from engine.members import loss_of
from engine.tasks import DEFAULT_LOSS, Task
from engine.training import Examples

SAMPLE_ROWS = 1024
SAMPLE_VALUES = 4_000_000  # of a wide table fewer rows are taken
LEAST_SHARE = 1e-6  # of a class, for the logarithm


def doctor_of(fitting: AnyFitting) -> Doctor:
    """The doctor of a training that has not begun."""
    goal, training = fitting.goal, fitting.training
    values = fitting.encoder.width + fitting.target.outputs
    sample = fitting.sample(max(1, min(SAMPLE_ROWS, SAMPLE_VALUES // values)))
    x = sample.x.reshape(len(sample), -1)
    task = fitting.plan.task
    loss = DEFAULT_LOSS[task] if training.loss == "auto" else training.loss
    out_shape = fitting.network_spec.build(fitting.encoder.shape)[-1].out_shape
    case = Case(
        task=task,
        network=fitting.network_spec,
        training=training,
        scaling=goal.scales,
        features=_features(fitting),
        constant=_constant(fitting, x),
        class_counts=_class_counts(fitting),
        is_weighted=training.class_weights is not None or goal.sample_weight is not None,
        baseline=_baseline(loss, task, out_shape, sample),
        x=x,
        y=sample.y,
    )
    return Doctor(case)


def _class_counts(fitting: AnyFitting) -> dict[str, int]:
    """Of the classes that occur, where each row is of one."""
    counts = fitting.plan.class_counts if fitting.plan.classes else None
    return {label: count for label, count in (counts or {}).items() if count}


def _features(fitting: AnyFitting) -> tuple[FeatureColumns, ...]:
    features, start = [], 0
    for encoder in fitting.encoder.columns:
        stop = start + encoder.width
        features.append(
            FeatureColumns(encoder.name, slice(start, stop), encoder.kind == "numeric", _is_one_hot(encoder))
        )
        start = stop
    return tuple(features)


def _is_one_hot(encoder: ColumnEncoder) -> bool:
    return isinstance(encoder, CategoricalEncoder) and encoder.form == "one_hot"


def _constant(fitting: AnyFitting, x: Array) -> tuple[str, ...]:
    """Columns of one value: those that were left out for it, and those that the scaling keeps."""
    left_out = [warning.column for warning in fitting.plan.warnings if warning.code == "constant_column"]
    constant = (x == x[0]).all(axis=0)
    kept = [
        feature.name
        for feature in _features(fitting)
        if constant[feature.part].all() and fitting.has_one_value(feature.name)
    ]
    return tuple(name for name in [*left_out, *kept] if name is not None)


def _baseline(loss: AnyLoss, task: Task, out_shape: Shape, sample: Examples) -> float:
    """The loss of the best constant answer, among those that are best under the usual losses."""
    rows = len(sample)
    built = loss_of(loss, task, out_shape, batch=rows, dtype=np.dtype(np.float32))
    output = np.empty((rows, *out_shape), np.float32)
    losses = []
    for constant in _constants(loss, task, sample):
        output[:] = constant
        losses.append(built.value(output, sample.y, sample.weight))
    return float(min(losses))


def _constants(loss: AnyLoss, task: Task, sample: Examples) -> list[Array]:
    """Candidates for the outputs of the best constant answer, (outputs,) each."""
    y = sample.y.astype(np.float64)
    mean: Array = np.average(y, axis=0, weights=sample.weight)
    match loss.takes:
        case "answers":
            return [mean, np.median(y, axis=0)]
        case "scores":
            return [np.zeros_like(mean)]
        case "logarithms":
            return [np.log(np.maximum(mean, LEAST_SHARE))]
        case "logits":
            share = np.clip(mean, LEAST_SHARE, 1 - LEAST_SHARE)
            return [np.log(share) if task == "multiclass" else np.log(share / (1 - share))]
