"""The plan's memory holds all that a training needs, its model at the end included."""

import tracemalloc

import numpy as np
import polars as pl
import pytest

from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.model import INFERENCE_BYTES, model_bytes
from engine.network import NetworkSpec
from engine.training import TrainingSpec

X = np.random.default_rng(0).normal(size=(40, 4))
TABLE = Table(
    pl.DataFrame({name: X[:, i] for i, name in enumerate("abcd")} | {"y": X[:, 0]}),
    dict.fromkeys("abcdy", "numeric"),
)
WIDE_ROWS = [
    {"kind": "reshape", "shape": [2, 2, 1]},
    {"kind": "upsampling2d", "factor": 200},
    {"kind": "global_average_pool"},
    {"kind": "dense"},
]
MANY_WEIGHTS = [{"kind": "dense", "units": 1000}, {"kind": "dense", "units": 1000}, {"kind": "dense"}]


@pytest.mark.slow
@pytest.mark.parametrize("layers", [WIDE_ROWS, MANY_WEIGHTS], ids=["wide rows", "many weights"])
def test_from_the_first_batch_to_the_file(layers: list[dict[str, object]]) -> None:
    recipe = TrainingSpec(epochs=1, batch_size=1)
    network = NetworkSpec.model_validate({"layers": layers})
    fitting = Fitting(TABLE, GoalSpec(target="y"), network, recipe)
    tracemalloc.start()
    try:
        for _ in fitting.run():
            pass
        model = fitting.model
        fitting.evaluate(model)
        model.to_bytes()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.6 * fitting.plan.memory_bytes <= peak <= 1.15 * fitting.plan.memory_bytes


def test_a_model_of_wide_rows_takes_few_at_a_time() -> None:
    network = NetworkSpec.model_validate({"layers": WIDE_ROWS}).resolve(1)
    a_row = 4 * sum(layer.buffer_values() for layer in network.build((4,)))
    assert 64 * a_row > INFERENCE_BYTES
    assert INFERENCE_BYTES / 2 < model_bytes(network, (4,)) <= INFERENCE_BYTES + 2**16


def test_a_model_of_immense_rows_takes_one_at_a_time() -> None:
    layers = [WIDE_ROWS[0], {"kind": "upsampling2d", "factor": 4096}, *WIDE_ROWS[2:]]
    network = NetworkSpec.model_validate({"layers": layers}).resolve(1)
    a_row = 4 * sum(layer.buffer_values() for layer in network.build((4,)))
    assert a_row > INFERENCE_BYTES
    assert a_row <= model_bytes(network, (4,)) < 1.01 * a_row
