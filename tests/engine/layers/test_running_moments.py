"""The running moments of batch normalisation: how they follow the batches, and that a model keeps them."""

import numpy as np
import polars as pl
from one_layer import network_of

from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.dense import DenseSpec
from engine.layers.normalization.batch import BatchNormalizationSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.training import TrainingSpec


def test_running_moments_follow_their_recursion() -> None:
    """Three batches of two rows by hand, with m = 0.75."""
    network = network_of(BatchNormalizationSpec(momentum=0.75), in_shape=(1,), batch=2)
    mean, variance = network.state[:1], network.state[1:]
    assert (mean, variance) == (0, 1)
    for low, high, expected_mean, expected_variance in [
        (0, 4, 0.5, 1.75),  # mean 2, variance 4
        (2, 2, 0.875, 1.3125),  # mean 2, variance 0
        (-6, 2, 0.15625, 4.984375),  # mean -2, variance 16
    ]:
        network.forward(np.array([[low], [high]], float), train=True)
        network.forward(np.array([[100.0]]), train=False)
        assert (mean, variance) == (expected_mean, expected_variance)


def test_running_moments_reach_those_of_the_data() -> None:
    x = np.random.default_rng(0).normal(3, 5, (1000, 6))
    network = network_of(BatchNormalizationSpec(momentum=0.5), in_shape=(6,))
    for _ in range(60):
        y = network.forward(x, train=True).copy()
    np.testing.assert_allclose(network.forward(x, train=False), y, rtol=1e-9, atol=1e-12)


def test_a_model_keeps_them() -> None:
    """What is kept is what training left, bit by bit, and answers do not depend on the rows beside."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(3, 2, 100), "y": rng.standard_normal(100)}).cast(pl.String)
    typed, types, _ = infer(frame)
    layers = (DenseSpec(units=4), BatchNormalizationSpec(), DenseSpec())
    fitting = Fitting(
        Table(typed, types),
        GoalSpec(target="y"),
        network=NetworkSpec(layers=layers),
        training=TrainingSpec(epochs=3),
    )
    for _ in fitting.run():
        pass
    model = fitting.model
    assert (model.state[4:] != 1).all()
    again = Model.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(again.state, model.state)
    answers = model.answers(typed)
    np.testing.assert_array_equal(again.answers(typed), answers)
    np.testing.assert_array_equal(again.answers(typed.head(1)), answers[:1])
