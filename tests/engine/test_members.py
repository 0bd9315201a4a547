"""Networks of members: the mean of their losses trains them, the mean of their answers is the answer."""

import tracemalloc

import numpy as np
import polars as pl
import pytest

from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.activations.base import SigmoidSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.activations.softmax import SoftmaxSpec
from engine.layers.dense import DenseSpec
from engine.layers.tabular.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.tabular.member_dense import MemberDenseSpec
from engine.losses import (
    CrossEntropySpec,
    HingeSpec,
    HuberSpec,
    LogLossSpec,
    MaeSpec,
    MseSpec,
    PoissonSpec,
)
from engine.members import answers_fit, loss_of, metric_of
from engine.metrics import metric_for
from engine.model import Model, UnreadableModel
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.tasks import build_loss
from engine.training import NoValidation, TrainingSpec

MEMBERS, ROWS = 4, 60
DTYPE = np.dtype(np.float64)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((ROWS, 3))
FRAME = pl.DataFrame(
    {
        **{f"x{i}": column for i, column in enumerate(X.T)},
        "label": np.where(X[:, 0] > 0.5, "a", np.where(X[:, 1] > 0, "b", "c")),
        "flag": np.where(X[:, 0] > 0, "yes", "no"),
        "size": 100 + 10 * X[:, 0] - 5 * X[:, 1],
        "left": (X[:, 0] < 0).astype(int),
        "up": (X[:, 1] > 0).astype(int),
        "count": np.floor(np.exp(X[:, 2])),
    }
)
FEATURES = ("x0", "x1", "x2")
GOALS = {
    "multiclass": GoalSpec(target="label", features=FEATURES),
    "binary": GoalSpec(target="flag", features=FEATURES),
    "regression": GoalSpec(target="size", features=FEATURES),
    "multilabel": GoalSpec(target=("left", "up"), features=FEATURES, task="multilabel"),
    "autoencoding": GoalSpec(features=FEATURES),
}
SHORT = TrainingSpec(epochs=3, batch_size=16)


def ensemble(*last, units=8):
    first = BatchEnsembleDenseSpec(units=units, members=MEMBERS, r_start="signs")
    return NetworkSpec(layers=(first, ReluSpec(), MemberDenseSpec(), *last))


def fitted(task, training=SHORT, network=None):
    _, types, _ = infer(FRAME)
    fitting = Fitting(Table(FRAME, types), GOALS[task], network or ensemble(), training)
    points = [progress.point for progress in fitting.run() if progress.point]
    return fitting, points


@pytest.mark.parametrize(
    ("spec", "task"),
    [
        (MseSpec(), "regression"),
        (MaeSpec(), "regression"),
        (HuberSpec(), "regression"),
        (PoissonSpec(), "regression"),
        (LogLossSpec(), "multilabel"),
        (HingeSpec(), "multilabel"),
        (CrossEntropySpec(), "multiclass"),
        (HingeSpec(), "multiclass"),
    ],
)
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 0.0, 1.0, 3.0]])
def test_the_loss_is_the_mean_of_the_members_losses(spec, task, weight):
    """And each member's gradient is a share of its own loss's, as if it were alone."""
    rng = np.random.default_rng(1)
    y = np.eye(3)[rng.integers(0, 3, 5)]
    z = rng.standard_normal((5, MEMBERS, 3))
    w = None if weight is None else np.array(weight)
    loss = loss_of(spec, task, (MEMBERS, 3), batch=8, dtype=DTYPE)
    d = np.full_like(z, np.nan)
    value = loss(z, y, w, d)
    assert value == loss.value(z, y, w)
    alone = build_loss(spec, task, (3,), batch=8, dtype=DTYPE)
    values = []
    for k in range(MEMBERS):
        d_k = np.empty_like(y)
        values.append(alone(z[:, k].copy(), y, w, d_k))
        np.testing.assert_allclose(d[:, k], d_k / MEMBERS, rtol=1e-12, atol=1e-15)
    assert value == pytest.approx(np.mean(values), rel=1e-12)
    with_mean = alone.value(z.mean(axis=1), y, w)
    assert value > with_mean  # all these losses are convex: Jensen's inequality


@pytest.mark.parametrize(
    ("task", "link", "answer"),
    [
        ("multiclass", "softmax", lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)),
        ("multiclass", "identity", lambda z: z),
        ("multilabel", "sigmoid", lambda z: 1 / (1 + np.exp(-z))),
        ("regression", "identity", lambda z: z),
        ("regression", "exp", np.exp),
    ],
)
def test_the_metric_is_that_of_the_mean_answer(task, link, answer):
    rng = np.random.default_rng(2)
    z = rng.normal(0, 3, (7, MEMBERS, 3))
    y = np.eye(3)[rng.integers(0, 3, 7)]
    metric = metric_of(task, link, (MEMBERS, 3), batch=8, dtype=DTYPE)
    expected = metric_for(task, "identity", (3,), batch=8, dtype=DTYPE)
    expected.update(answer(z).mean(axis=1), y, None)
    for _ in range(2):
        metric.reset()
        metric.update(z[:4], y[:4], None)
        metric.update(z[4:], y[4:], None)
        assert metric.result() == pytest.approx(expected.result())


def test_loss_and_metric_allocate_nothing():
    batch = 20_000
    loss = loss_of(CrossEntropySpec(), "multiclass", (MEMBERS, 3), batch=batch, dtype=np.dtype(np.float32))
    metric = metric_of("multiclass", "softmax", (MEMBERS, 3), batch=batch, dtype=np.dtype(np.float32))
    z = np.random.default_rng(0).standard_normal((batch, MEMBERS, 3), np.float32)
    y, w, d = np.eye(3, dtype=np.float32)[np.zeros(batch, int)], np.ones(batch, np.float32), np.empty_like(z)

    def step():
        for weight in (None, w):
            loss(z, y, weight, d)
            metric.update(z, y, weight)

    step()
    tracemalloc.start()
    try:
        step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000 < z.nbytes


@pytest.mark.parametrize("task", GOALS)
def test_training_predicting_and_the_file(task):
    fitting, points = fitted(task)
    assert fitting.plan.task == task
    assert fitting.plan.notes == ["4 members train side by side; predictions are the mean of theirs"]
    assert points[-1].train_loss < points[0].train_loss
    model = fitting.model
    outputs = fitting.plan.outputs
    assert fitting.plan.network.output_shape == [MEMBERS, outputs]
    answers = model.answers(FRAME)
    assert answers.shape == (ROWS, outputs)
    again = Model.from_bytes(model.to_bytes())
    assert again.answers(FRAME).tobytes() == answers.tobytes()
    assert again.predict(FRAME) == model.predict(FRAME)
    alone = np.concatenate([model.answers(FRAME[row : row + 1]) for row in range(ROWS)])
    assert alone.tobytes() == answers.tobytes()
    report = fitting.evaluate(model)
    assert report.kind == task
    metrics = points[-1].metrics
    if task == "multiclass":
        assert report.accuracy == pytest.approx(metrics["validation_accuracy"])
    if task == "regression":
        assert report.rmse == pytest.approx(metrics["validation_rmse"], rel=1e-4)


@pytest.mark.parametrize("task", GOALS)
def test_the_answer_is_the_mean_of_the_members_answers(task):
    """Each member by itself, as a network of a batch ensemble's dense layers written out."""
    fitting, _ = fitted(task)
    model = fitting.model
    x = model.encoder.encode(FRAME).astype(np.float64)
    W, r, s, b, heads, offsets = _parts(model)
    answers = []
    for k in range(MEMBERS):
        h = np.maximum(x @ (W * np.outer(r[k], s[k])) + b[k], 0)
        z = h @ heads[k] + offsets[k]
        answers.append(
            {
                "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
                "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
                "identity": lambda z: z,
            }[model.link](z)
        )
    expected = model.target.answers(np.mean(answers, axis=0))
    np.testing.assert_allclose(model.answers_to(model.encoder.encode(FRAME)), expected, rtol=1e-4, atol=1e-4)


def _parts(model):
    """The parameters of `ensemble`, in float64."""
    inputs, units, outputs = model.encoder.width, 8, model.target.outputs
    shapes = [
        (inputs, units),
        (MEMBERS, inputs),
        (MEMBERS, units),
        (MEMBERS, units),
        (MEMBERS, units, outputs),
        (MEMBERS, outputs),
    ]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(model.theta.astype(np.float64), ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def test_same_seed_same_bits():
    thetas = [fitted("multiclass")[0].model.theta for _ in range(2)]
    assert thetas[0].tobytes() == thetas[1].tobytes()


def test_members_learn_and_differ():
    training = TrainingSpec(epochs=60, batch_size=16, validation=NoValidation())
    training = training.model_copy(
        update={"optimizer": training.optimizer.model_copy(update={"learning_rate": 0.02})}
    )
    fitting, _ = fitted("multiclass", training)
    assert fitting.evaluate(fitting.model).accuracy > 0.95
    *_, heads, _ = _parts(fitting.model)
    assert np.ptp(heads, axis=0).min() > 0.01


def test_a_last_link_of_each_member_is_taken_into_the_loss():
    fitting, _ = fitted("multiclass", network=ensemble(SoftmaxSpec()))
    assert fitting.network_spec.layers[-1].kind == "member_dense"
    fitting, _ = fitted(
        "binary", SHORT.model_copy(update={"loss": MseSpec()}), network=ensemble(SigmoidSpec())
    )
    assert fitting.network_spec.layers[-1].kind == "sigmoid"
    assert 0 < fitting.model.answers(FRAME).min() < fitting.model.answers(FRAME).max() < 1


@pytest.mark.parametrize(
    ("shape", "outputs", "fits"),
    [
        ((3,), 3, True),
        ((5, 3), 3, True),
        ((3, 5), 3, False),
        ((2, 5, 3), 3, False),
        ((), 1, False),
        ((4,), 3, False),
    ],
)
def test_shapes_that_answer(shape, outputs, fits):
    assert answers_fit(shape, outputs) == fits


def test_outputs_that_do_not_fit_are_refused():
    network = NetworkSpec(layers=(*ensemble().layers[:-1], MemberDenseSpec(units=2)))
    with pytest.raises(InvalidSpec, match=r"outputs of shape \[4, 2\], but the target needs 3"):
        fitted("multiclass", network=network)


def test_a_file_of_other_outputs_is_refused():
    model = fitted("multiclass")[0].model
    other = model.network.model_copy(
        update={"layers": (*model.network.layers[:-1], MemberDenseSpec(units=2))}
    )
    with pytest.raises(UnreadableModel, match=r"\[4, 2\], the target needs \[3\]"):
        Model(
            encoder=model.encoder,
            network=other,
            link=model.link,
            target=model.target,
            theta=model.theta,
            state=model.state,
        )


def test_the_data_start_sees_rows_of_all_of_a_sorted_table():
    """Sorted by the one feature: the first rows alone would give it a far smaller deviation."""
    x = np.sort(np.random.default_rng(3).standard_normal(400))
    frame = pl.DataFrame({"x": x, "y": np.sin(x)})
    network = NetworkSpec(layers=(DenseSpec(units=50, start="data"), ReluSpec(), DenseSpec()))
    fitting = Fitting(
        Table(frame, {"x": "numeric", "y": "numeric"}),
        GoalSpec(target="y"),
        network,
        TrainingSpec(epochs=1, batch_size=64, validation=NoValidation()),
    )
    next(iter(fitting.run()))
    z = fitting.encoder.encode(frame) @ fitting.model.theta[:50].reshape(1, 50)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=0.35)
