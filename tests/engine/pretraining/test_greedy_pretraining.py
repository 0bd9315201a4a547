"""Greedy pretraining: which layers it takes, what it leaves in the network, and its place in a training."""

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError
from sklearn.datasets import load_digits

from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.activations.base import SigmoidSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.losses import MseSpec
from engine.network import Network, NetworkSpec
from engine.pretraining import AnyPretraining, AutoencoderPretrainingSpec, RbmPretrainingSpec
from engine.pretraining.base import Weights
from engine.pretraining.greedy import Pretraining, stack
from engine.spec import InvalidSpec
from engine.training import Diverged, NoValidation, TrainingSpec


def sigmoid_net(*units):
    hidden = [layer for n in units for layer in (DenseSpec(units=n), SigmoidSpec())]
    return NetworkSpec(layers=(*hidden, DenseSpec()))


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return (x[:600] / 16).astype(np.float32), y[:600]


def built(spec, *, inputs=64, outputs=10):
    network = Network(spec.resolve(outputs), (inputs,), batch=32, rng=np.random.default_rng(0))
    network.init(np.random.default_rng(1))
    return network


def parameter(network, name):
    [segment] = [segment for segment in network.segments if segment.name == name]
    return network.theta[segment.slice].reshape(segment.shape)


def test_the_dense_layers_before_sigmoids_from_the_first_on():
    dense, sigmoid = DenseSpec(units=2), SigmoidSpec()
    assert stack(sigmoid_net(5, 4, 3)) == [0, 2, 4]
    layers = (FlattenSpec(), dense, sigmoid, DropoutSpec(rate=0.1), dense, sigmoid, dense, ReluSpec(), dense)
    assert stack(NetworkSpec(layers=layers)) == [1, 4]
    assert stack(NetworkSpec(layers=(dense, sigmoid, dense, sigmoid))) == [0]  # the last one is the output


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        ((DenseSpec(),), ("network", "layers", 0)),
        ((DenseSpec(), SigmoidSpec()), ("network", "layers", 0)),
        ((DenseSpec(units=2), ReluSpec(), DenseSpec()), ("network", "layers", 0)),
        ((ReluSpec(), DenseSpec(units=2), SigmoidSpec(), DenseSpec()), ("network", "layers", 0)),
        ((DenseSpec(units=2, bias=False), SigmoidSpec(), DenseSpec()), ("network", "layers", 0, "bias")),
        (
            (DenseSpec(units=2, parametrization="ntp"), SigmoidSpec(), DenseSpec()),
            ("network", "layers", 0, "parametrization"),
        ),
    ],
)
def test_networks_without_such_a_stack(layers, path):
    with pytest.raises(InvalidSpec) as error:
        stack(NetworkSpec(layers=layers))
    assert error.value.path == path


@pytest.mark.parametrize("kind", [RbmPretrainingSpec, AutoencoderPretrainingSpec])
def test_every_layer_learns_to_restore_what_it_gets(digits, kind):
    x, _ = digits
    spec = kind(epochs=20, learning_rate=0.3)
    network = built(sigmoid_net(48, 24))
    last = parameter(network, "4.W").copy()
    seen = list(Pretraining(spec, network, x, np.random.default_rng(2)).run())
    lower, upper = list(dict.fromkeys(seen))
    assert len(seen) == 2 * 20 * -(-600 // 32)
    assert seen == [lower] * (len(seen) // 2) + [upper] * (len(seen) // 2)
    for layers, v in ((lower, x), (upper, lower.up(x))):
        errors = np.square(layers.down(layers.up(v)) - v).mean()
        assert errors < 0.75 * v.var(axis=0).mean()  # of the best constant
    for name, values in (("0.W", lower.W), ("0.b", lower.b), ("2.W", upper.W), ("2.b", upper.b)):
        assert parameter(network, name).tobytes() == values.tobytes()
        assert np.abs(values).max() > 0.05
    assert parameter(network, "4.W").tobytes() == last.tobytes()


def test_the_same_numbers_give_the_same_bits(digits):
    thetas = []
    for seed in (5, 5, 6):
        network = built(sigmoid_net(8))
        rng = np.random.default_rng(seed)
        for _ in Pretraining(RbmPretrainingSpec(epochs=1), network, digits[0], rng).run():
            pass
        thetas.append(network.theta.tobytes())
    assert thetas[0] == thetas[1] != thetas[2]


def test_a_step_by_hand():
    """Two steps of ascent with momentum and decay, on a gradient that is always the same."""

    class Steady(RbmPretrainingSpec):
        def gradient(self, layers, v, rng):
            return Weights(np.ones_like(layers.W), np.ones_like(layers.a), np.ones_like(layers.b))

    spec = Steady(epochs=1, batch_size=2, learning_rate=0.5, momentum=0.8, weight_decay=0.1)
    network = built(sigmoid_net(2), inputs=3)
    w = None
    pretraining = Pretraining(spec, network, np.zeros((4, 3), np.float32), np.random.default_rng(0))
    for step, _ in enumerate(pretraining.run()):
        if step == 0:
            w = parameter(network, "0.W").copy()
            np.testing.assert_allclose(parameter(network, "0.b"), 0.5)
    start = np.random.default_rng(0).normal(0, 0.01, (3, 2))
    first = 0.5 * (1 - 0.1 * start)
    np.testing.assert_allclose(w, start + first, rtol=1e-6)
    second = 0.8 * first + 0.5 * (1 - 0.1 * (start + first))
    np.testing.assert_allclose(parameter(network, "0.W"), start + first + second, rtol=1e-6)
    np.testing.assert_allclose(parameter(network, "0.b"), 0.5 + 0.8 * 0.5 + 0.5, rtol=1e-6)


def table(x, y):
    frame, types, _ = infer(pl.DataFrame({f"p{i}": x[:, i] for i in range(x.shape[1])} | {"digit": y}))
    return Table(frame, types)


def fitting(digits, pretraining, *, scaling="unit", network=None, **training):
    goal = GoalSpec(target="digit", scaling=scaling, task="multiclass")
    spec = TrainingSpec(
        epochs=2,
        validation=NoValidation(),
        pretraining=pretraining,
        optimizer={"kind": "sgd", "learning_rate": 0.1},
        **training,
    )
    return Fitting(table(*digits), goal, network or sigmoid_net(32, 16), spec)


def test_it_comes_before_the_first_epoch_and_the_plan_says_so(digits):
    wanted = fitting(digits, RbmPretrainingSpec(epochs=2))
    assert wanted.plan.notes == ["the dense layers at 0, 2 start by rbm pretraining over binary inputs"]
    assert wanted.plan.estimated_seconds > fitting(digits, None).plan.estimated_seconds
    progress = list(wanted.run())
    before = [sign for sign in progress if sign.epoch == 0]
    assert len(before) == 2 * 2 * -(-600 // 32)
    assert progress[: len(before)] == before
    assert {(sign.step, sign.point) for sign in before} == {(0, None)}
    assert [sign.point.epoch for sign in progress if sign.point] == [1, 2]


def test_cancelled_meanwhile(digits):
    run = fitting(digits, RbmPretrainingSpec()).run()
    assert next(run).epoch == 0
    run.close()


def test_standardised_inputs_are_gaussian(digits):
    wanted = fitting(digits, RbmPretrainingSpec(epochs=5, visible="gaussian"), scaling="standard")
    points = [sign.point for sign in wanted.run() if sign.point]
    assert np.isfinite(points[-1].train_loss)


def test_standardised_inputs_are_not_binary(digits):
    with pytest.raises(InvalidSpec, match="binary inputs are from 0 to 1") as error:
        fitting(digits, RbmPretrainingSpec(), scaling="standard")
    assert error.value.path == ("training", "pretraining", "visible")


def test_a_network_without_sigmoids_is_refused_before_it_is_trained(digits):
    with pytest.raises(InvalidSpec, match="dense, sigmoid"):
        fitting(digits, RbmPretrainingSpec(), network=NetworkSpec(layers=(DenseSpec(),)))


def test_an_output_sigmoid_is_not_pretrained(digits):
    network = NetworkSpec(layers=(DenseSpec(units=8), SigmoidSpec(), DenseSpec(), SigmoidSpec()))
    x, _ = digits
    frame, types, _ = infer(pl.DataFrame({"a": x[:, 20], "b": x[:, 30], "y": x[:, 42] > 0.5}))
    wanted = Fitting(
        Table(frame, types),
        GoalSpec(target="y", scaling="unit"),
        network,
        TrainingSpec(loss=MseSpec(), pretraining=RbmPretrainingSpec()),
    )
    assert "layers at 0 start" in wanted.plan.notes[-1]


def test_what_overflows_ends_the_training(digits):
    wild = RbmPretrainingSpec(visible="gaussian", learning_rate=10, epochs=20, momentum=0.9)
    with pytest.raises(Diverged, match="pretraining"):
        for _ in fitting(digits, wild, scaling="standard").run():
            pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pca"},
        {"k": 0},
        {"epochs": 0},
        {"learning_rate": 0},
        {"momentum": 1},
        {"weight_decay": -1},
        {"visible": "ternary"},
        {"kind": "autoencoder", "corruption": 1},
    ],
)
def test_bounds(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(AnyPretraining).validate_python({"kind": "rbm"} | wrong)
