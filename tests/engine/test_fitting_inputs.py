"""Inputs as they are, on the way from a table to a model."""

import numpy as np
import polars as pl
import pytest

from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.dense import DenseSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.reshape import ReshapeSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.training import NoValidation, TrainingSpec

FLAT = NetworkSpec(layers=(DenseSpec(),))
IMAGE = NetworkSpec(layers=(ReshapeSpec(shape=(2, 2, 1)), FlattenSpec(), DenseSpec()))


def table(**columns):
    frame, types, _ = infer(pl.DataFrame(columns))
    return Table(frame, types)


@pytest.fixture(scope="module")
def images():
    """Images of 2x2 pixels from 0 to 16; the first pixel is always dark."""
    rng = np.random.default_rng(0)
    return {"p0": [0] * 40} | {f"p{i}": rng.integers(0, 17, 40).tolist() for i in (1, 2, 3)}


def test_pixels_become_images(images):
    goal = GoalSpec(target="bright", scaling="unit")
    data = table(**images, bright=[value > 8 for value in images["p1"]])
    fitting = Fitting(data, goal, IMAGE, TrainingSpec(epochs=3, validation=NoValidation()))
    assert fitting.plan.features == ["p0", "p1", "p2", "p3"]
    assert fitting.plan.network.layers[0].output_shape == [2, 2, 1]
    for _ in fitting.run():
        pass
    x = fitting.model.encoder.encode(data.frame)
    np.testing.assert_allclose(x, np.array(list(images.values())).T / 16, rtol=1e-6)
    again = Model.from_bytes(fitting.model.to_bytes({}))
    assert again.predict(data.frame.head(3)) == fitting.model.predict(data.frame.head(3))


def test_labels_that_always_or_never_hold_can_be_learned():
    goal = GoalSpec(target=("never", "always", "x again"), task="multilabel", scaling="none")
    x = [0, 1] * 10
    data = table(x=x, never=[0] * 20, always=[1] * 20, **{"x again": x})
    training = TrainingSpec(
        epochs=30,
        batch_size=1,
        loss={"kind": "perceptron"},
        optimizer={"kind": "perceptron_rule"},
        validation=NoValidation(),
    )
    fitting = Fitting(data, goal, FLAT, training)
    for _ in fitting.run():
        pass
    off, on = fitting.model.predict(data.frame.head(2))
    assert (off["labels"], on["labels"]) == (["always"], ["always", "x again"])


def test_the_shape_of_a_row_where_the_network_says_it():
    assert FLAT.row_shape is None
    assert NetworkSpec(layers=FLAT.layers, input_shape=(7,)).row_shape == (7,)
    assert IMAGE.row_shape == (2, 2, 1)
    assert NetworkSpec(layers=IMAGE.layers, input_shape=(4,)).row_shape == (4,)
    assert NetworkSpec(layers=(ReshapeSpec(shape=(-1, 2)), FlattenSpec(), DenseSpec())).row_shape is None
