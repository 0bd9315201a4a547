"""Scaling, and the periodic embeddings, against loops over rows, features and waves."""

from math import cos, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize

from engine.layers.tabular.numerical_embedding import PbldSpec, PlrSpec
from engine.layers.tabular.scaling import ScalingSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec


def pbld(x, theta):
    """[cos(2 pi w1 x + b1) W2 + b2, x] for each feature of a row."""
    numbers = []
    for f, value in enumerate(x):
        z = [cos(2 * pi * w * value + b) for w, b in zip(theta["w1"][f], theta["b1"][f], strict=True)]
        for j, b in enumerate(theta["b2"][f]):
            numbers.append(b + sum(z_k * theta["W2"][f, k, j] for k, z_k in enumerate(z)))
        numbers.append(value)
    return numbers


def plr(x, theta):
    """max(0, [sin(2 pi w1 x), cos(2 pi w1 x)] W2 + b2) for each feature of a row."""
    numbers = []
    for f, value in enumerate(x):
        z = [wave(2 * pi * w * value) for wave in (sin, cos) for w in theta["w1"][f]]
        for j, b in enumerate(theta["b2"][f]):
            numbers.append(max(0.0, b + sum(z_k * theta["W2"][f, k, j] for k, z_k in enumerate(z))))
    return numbers


BY_LOOP = {"pbld": pbld, "plr": plr}
each_kind = pytest.mark.parametrize("spec", [PbldSpec, PlrSpec])


@each_kind
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    features=st.integers(1, 5),
    frequencies=st.integers(1, 6),
    units=st.integers(1, 4),
    rows=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_by_a_loop(spec, features, frequencies, units, rows, seed):
    layer = spec(frequencies=frequencies, units=units)
    network = network_of(layer, in_shape=(features,))
    theta = randomize(network, seed)
    x = np.random.default_rng(seed + 1).standard_normal((rows, features))
    expected = [BY_LOOP[layer.kind](row, theta) for row in x]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-10, atol=1e-12)


@each_kind
def test_features_do_not_meet(spec):
    """A feature's numbers depend on that feature alone: dy of one feature gives dx of one feature."""
    network = network_of(spec(), in_shape=(3,))
    randomize(network)
    x = np.random.default_rng(2).standard_normal((4, 3))
    dy = np.zeros_like(network.forward(x)).reshape(4, 3, -1)
    dy[:, 1] = 1
    assert (network.backward(dy.reshape(4, -1)) != 0).any(axis=0).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("spec", "waves"), [(PbldSpec(sigma=0.3, frequencies=100), 100), (PlrSpec(sigma=0.3), 96)]
)
def test_start(spec, waves):
    network = network_of(spec, in_shape=(200,))
    theta = by_name(network, network.theta)
    assert theta["w1"].std() == pytest.approx(0.3, rel=0.05)
    for name in ("W2", "b2"):
        assert np.abs(theta[name]).max() == pytest.approx(waves**-0.5, rel=0.02)
        assert theta[name].std() == pytest.approx((3 * waves) ** -0.5, rel=0.05)
    if "b1" in theta:
        assert np.abs(theta["b1"]).max() == pytest.approx(pi, rel=0.02)


def test_the_sizes_of_the_source():
    """16 waves, 3 sums and the feature itself."""
    network = network_of(PbldSpec(), in_shape=(5,))
    shapes = {name: array.shape for name, array in by_name(network, network.theta).items()}
    assert shapes == {"w1": (5, 16), "b1": (5, 16), "W2": (5, 16, 3), "b2": (5, 3)}
    assert network.out_shape == (20,)


@each_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_and_large_features(spec, dtype):
    network = network_of(spec(), in_shape=(4,), dtype=dtype)
    x = np.broadcast_to(np.array([0, 1e4, -1e4, 3], dtype), (6, 4)).copy()
    y = network.forward(x, train=True)
    assert np.isfinite(y).all()
    np.testing.assert_allclose(y, y[:1].repeat(6, axis=0), rtol=1e-4, atol=1e-6)
    assert np.isfinite(network.backward(np.ones_like(y))).all()
    assert np.isfinite(network.grad).all()


def test_decay():
    """All of pbld but its biases; of plr the sums' weights only."""
    decayed = {
        spec.kind: {s.name.removeprefix("0.") for s in network_of(spec, in_shape=(2,)).segments if s.decay}
        for spec in (PbldSpec(), PlrSpec(), ScalingSpec())
    }
    assert decayed == {"pbld": {"w1", "W2"}, "plr": {"W2"}, "scaling": {"s"}}


@pytest.mark.parametrize("shape", [(), (2, 3)])
@each_kind
def test_rows_of_other_shapes(spec, shape):
    with pytest.raises(InvalidSpec, match="takes rows of one axis"):
        NetworkSpec(layers=(spec(),)).build(shape)


def test_scaling_by_hand():
    network = network_of(ScalingSpec(), in_shape=(2, 3))
    np.testing.assert_array_equal(network.theta, [1, 1, 1])
    s = randomize(network)["s"]
    x, dy = np.random.default_rng(2).standard_normal((2, 4, 2, 3))
    np.testing.assert_allclose(network.forward(x), x * s)
    np.testing.assert_allclose(network.backward(dy.copy()), dy * s)
    np.testing.assert_allclose(network.grad, (x * dy).sum(axis=(0, 1)))


def test_scaling_needs_an_axis():
    with pytest.raises(InvalidSpec, match="at least one axis"):
        NetworkSpec(layers=(ScalingSpec(),)).build(())
