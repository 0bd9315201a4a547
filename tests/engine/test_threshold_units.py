"""McCulloch and Pitts 1943: the Boolean functions that one threshold unit computes, counted in the engine."""

from itertools import product

import numpy as np
import pytest

from engine.layers.activations.base import StepSpec
from engine.layers.dense import DenseSpec
from engine.network import Network, NetworkSpec


@pytest.mark.parametrize(("inputs", "reached"), [(1, 4), (2, 14), (3, 104)])
def test_threshold_functions(inputs: int, reached: int) -> None:
    """Every function that has a threshold unit has one with weights of at most 2 and a half-whole bias.

    Counts: Muroga 1971, Threshold logic and its applications.
    """
    biases = np.arange(-2 * inputs - 0.5, 2 * inputs + 1)
    units = np.array(list(product(*[range(-2, 3)] * inputs, biases)))
    rows = np.array(list(product((0.0, 1.0), repeat=inputs)))
    spec = NetworkSpec(layers=(DenseSpec(units=len(units)), StepSpec()))
    network = Network(
        spec.resolve(1), (inputs,), batch=len(rows), rng=np.random.default_rng(0), dtype=np.float64
    )
    network.theta[:] = units.T.ravel()  # W (inputs, units), then b
    outputs = network.forward(rows)
    assert set(np.unique(outputs)) == {0, 1}
    assert len({tuple(column) for column in outputs.T}) == reached
