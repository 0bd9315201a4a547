"""Dropout: what it drops, when, and how the rest is scaled."""

import numpy as np
import pytest
from pydantic import ValidationError

from engine.arrays import Array
from engine.layers.dropout import DropoutSpec
from engine.network import Network, NetworkSpec

ROWS, WIDTH = 400, 500


def network_of(rate: float, seed: int = 0, dtype: type[np.floating] = np.float32) -> Network:
    return Network(
        NetworkSpec(layers=(DropoutSpec(rate=rate),)),
        (WIDTH,),
        batch=ROWS,
        rng=np.random.default_rng(seed),
        dtype=dtype,
        input_gradient=True,
    )


def ones(dtype: type[np.floating] = np.float32) -> Array:
    return np.ones((ROWS, WIDTH), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_drops_its_rate_and_scales_the_rest(rate: float, dtype: type[np.floating]) -> None:
    """Over n values the share dropped has the deviation sqrt(p (1 - p) / n); five of them are allowed."""
    y = network_of(rate, dtype=dtype).forward(ones(dtype), train=True)
    allowed = 5 * np.sqrt(rate * (1 - rate) / y.size)
    assert np.mean(y == 0) == pytest.approx(rate, abs=allowed)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)
    assert y.mean() == pytest.approx(1, abs=allowed / (1 - rate))


def test_gradient_passes_where_the_value_did() -> None:
    network = network_of(0.5)
    y = network.forward(ones(), train=True).copy()
    np.testing.assert_array_equal(network.backward(ones()), y)


def test_masks_follow_the_seed() -> None:
    one, same, other = network_of(0.5, seed=1), network_of(0.5, seed=1), network_of(0.5, seed=2)
    y = one.forward(ones(), train=True).copy()
    np.testing.assert_array_equal(same.forward(ones(), train=True), y)
    assert (other.forward(ones(), train=True) != y).any()
    assert (one.forward(ones(), train=True) != y).any(), "every batch has a mask of its own"


def test_evaluation_changes_nothing_and_draws_nothing() -> None:
    undisturbed, network = network_of(0.5), network_of(0.5)
    x = ones()
    np.testing.assert_array_equal(network.forward(x, train=False), x)
    np.testing.assert_array_equal(network.backward(ones()), x)
    np.testing.assert_array_equal(network.forward(x, train=True), undisturbed.forward(x, train=True))


def test_rate_0_drops_nothing() -> None:
    np.testing.assert_array_equal(network_of(0.0).forward(ones(), train=True), ones())


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_rate_has_bounds(rate: float) -> None:
    with pytest.raises(ValidationError):
        DropoutSpec(rate=rate)
