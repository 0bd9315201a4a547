"""Maxout against a plain loop, and the activations that it can be."""

import numpy as np
import pytest
from one_layer import by_name, network_of, randomize
from pydantic import ValidationError

from engine.layers.dense import DenseSpec
from engine.layers.maxout import MaxoutSpec
from engine.spec import InvalidSpec

INPUTS = 4


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("units", [1, 3])
def test_formula(units: int, pieces: int) -> None:
    network = network_of(MaxoutSpec(units=units, pieces=pieces), in_shape=(INPUTS,), batch=6)
    parameters = randomize(network)
    weights = parameters["W"].reshape(INPUTS, pieces, units)
    bias = parameters["b"].reshape(pieces, units)
    x = np.random.default_rng(0).standard_normal((6, INPUTS))
    expected = [
        [max(row @ weights[:, k, j] + bias[k, j] for k in range(pieces)) for j in range(units)] for row in x
    ]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-12)


def test_one_piece_is_a_dense_layer() -> None:
    maxout = network_of(MaxoutSpec(units=3, pieces=1), in_shape=(INPUTS,), batch=6)
    dense = network_of(DenseSpec(units=3), in_shape=(INPUTS,), batch=6)
    dense.theta[:] = maxout.theta
    x = np.random.default_rng(0).standard_normal((6, INPUTS))
    np.testing.assert_array_equal(maxout.forward(x, train=True), dense.forward(x, train=True))
    np.testing.assert_array_equal(maxout.backward(x[:, :3].copy()), dense.backward(x[:, :3].copy()))
    np.testing.assert_array_equal(maxout.grad, dense.grad)


def test_it_can_be_the_absolute_value() -> None:
    network = network_of(MaxoutSpec(units=1, pieces=2), in_shape=(1,), batch=5)
    by_name(network, network.theta)["W"][:] = 1, -1
    x = np.array([[-2.0], [-0.5], [0.25], [3.0]])
    np.testing.assert_array_equal(network.forward(x, train=True), np.abs(x))
    np.testing.assert_array_equal(network.backward(np.ones_like(x)), np.sign(x))


def test_a_tie_goes_to_the_first_piece() -> None:
    """Exactly one piece learns, also where all of them are the same."""
    network = network_of(MaxoutSpec(units=2, pieces=3), in_shape=(INPUTS,), batch=5)
    network.theta.fill(0)
    x = np.random.default_rng(0).standard_normal((5, INPUTS))
    network.backward(np.ones_like(network.forward(x, train=True)))
    assert by_name(network, network.grad)["b"].tolist() == [5, 5, 0, 0, 0, 0]


def test_nan_is_not_hidden() -> None:
    network = network_of(MaxoutSpec(units=2, pieces=3), in_shape=(1,), batch=1)
    assert np.isnan(network.forward(np.array([[np.nan]]))).all()


def test_rows_of_one_axis_are_needed() -> None:
    with pytest.raises(InvalidSpec, match="put a flatten layer before it"):
        MaxoutSpec(units=2).build((2, 3))


@pytest.mark.parametrize("values", [{"units": 0}, {"units": 1, "pieces": 0}, {"units": 1, "pieces": 1001}])
def test_fields_have_bounds(values: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        MaxoutSpec(**values)
