"""Positional encoding against its formula, and what the waves are made for."""

import math

import numpy as np
import pytest
from one_layer import network_of, randomize

from engine.arrays import Array
from engine.initializers import NormalSpec
from engine.layers.attention.positional_encoding import PositionalEncodingSpec
from engine.spec import InvalidSpec


def positions(steps: int, features: int) -> Array:
    """P, as what the layer makes of zeros."""
    network = network_of(PositionalEncodingSpec(), in_shape=(steps, features), batch=1)
    return network.forward(np.zeros((1, steps, features)))[0].copy()


@pytest.mark.parametrize("features", [1, 2, 5, 8])
def test_formula(features: int) -> None:
    expected = [
        [(math.cos if f % 2 else math.sin)(t / 10000 ** (2 * (f // 2) / features)) for f in range(features)]
        for t in range(7)
    ]
    np.testing.assert_allclose(positions(7, features), expected, rtol=1e-13, atol=1e-15)


def test_a_shift_is_the_same_rotation_everywhere() -> None:
    """Section 3.5: so that P_t . P_(t+k) depends on k alone."""
    table = positions(50, 16)
    products = table @ table.T
    for k in range(20):
        np.testing.assert_allclose(np.diagonal(products, k), products[0, k], rtol=1e-12)


def test_it_is_added_and_the_gradient_passes() -> None:
    network = network_of(PositionalEncodingSpec(), in_shape=(4, 6), batch=3)
    x = np.random.default_rng(0).standard_normal((3, 4, 6))
    np.testing.assert_array_equal(network.forward(x), x + positions(4, 6))
    np.testing.assert_array_equal(network.backward(x.copy()), x)


def test_learned_positions() -> None:
    network = network_of(PositionalEncodingSpec(encoding="learned"), in_shape=(4, 6), batch=3)
    parameters = randomize(network)
    assert [segment.decay for segment in network.segments] == [False]
    x = np.random.default_rng(0).standard_normal((3, 4, 6))
    np.testing.assert_array_equal(network.forward(x), x + parameters["P"])
    network.backward(x.copy())
    np.testing.assert_allclose(network.grad.reshape(4, 6), x.sum(axis=0), rtol=1e-12)


def test_learned_positions_start_as_told() -> None:
    spec = PositionalEncodingSpec(encoding="learned", position_initializer=NormalSpec(std=3.0))
    assert network_of(spec, in_shape=(100, 100), batch=1).theta.std() == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("encoding", ["sinusoidal", "learned"])
def test_padding_stays_padding(encoding: str) -> None:
    network = network_of(PositionalEncodingSpec(encoding=encoding, mask_value=0), in_shape=(4, 6), batch=3)
    plain = network_of(PositionalEncodingSpec(encoding=encoding), in_shape=(4, 6), batch=3)
    x = np.random.default_rng(0).standard_normal((3, 4, 6))
    x[0, 3:] = x[1, 1:] = 0
    padded = ~x.any(axis=2)
    np.testing.assert_array_equal(network.forward(x), np.where(padded[..., None], 0, plain.forward(x)))
    dx = network.backward(np.ones_like(x))
    np.testing.assert_array_equal(dx, np.broadcast_to(~padded[..., None], dx.shape))
    if network.grad.size:
        np.testing.assert_array_equal(network.grad.reshape(4, 6)[:, 0], [3, 2, 2, 1])


@pytest.mark.parametrize("shape", [(), (6,), (2, 3, 6)])
def test_a_series_is_needed(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidSpec, match="positional_encoding takes series"):
        PositionalEncodingSpec().build(shape)
