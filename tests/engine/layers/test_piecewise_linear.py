"""The piecewise-linear embedding against loops, and where its edges come from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize
from pydantic import ValidationError

from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec, quantile_edges
from engine.network import NetworkSpec
from engine.spec import InvalidSpec

USUAL = np.linspace(-3, 3, 5)


def place(x, low, high):
    """p of one bin."""
    if high == low or x <= low:
        return 0.0
    return min((x - low) / (high - low), 1.0)


def by_loop(x, theta, edges):
    """w x + b + p V for each feature of a row; `edges` (features, bins + 1)."""
    numbers = []
    for f, value in enumerate(x):
        p = [place(value, low, high) for low, high in zip(edges[f][:-1], edges[f][1:], strict=True)]
        for j in range(theta["w"].shape[1]):
            curve = sum(p_k * theta["V"][f, k, j] for k, p_k in enumerate(p))
            numbers.append(theta["w"][f, j] * value + theta["b"][f, j] + curve)
    return numbers


def edges_of(network):
    return network.state.reshape(network.in_shape[0], -1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    features=st.integers(1, 4),
    bins=st.integers(1, 9),
    units=st.integers(1, 4),
    rows=st.integers(1, 40),
    levels=st.sampled_from([2, 3, 1000]),
    seed=st.integers(0, 99),
)
def test_by_a_loop(features, bins, units, rows, levels, seed):
    """Also where the values take few levels, so that quantiles are equal."""
    rng = np.random.default_rng(seed)
    seen = rng.integers(0, levels, (rows, features)) * 0.37
    network = network_of(PiecewiseLinearEmbeddingSpec(units=units, bins=bins), in_shape=(features,), x=seen)
    theta = randomize(network, seed)
    x = np.concatenate([seen[:5], rng.normal(0, levels, (5, features))])
    expected = [by_loop(row, theta, edges_of(network)) for row in x]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-9, atol=1e-9)


def test_given_edges_by_a_loop():
    edges = (-1.0, 0.5, 0.75, 2.0)
    network = network_of(PiecewiseLinearEmbeddingSpec(units=3, edges=edges), in_shape=(2,))
    assert network.state.size == 0
    theta = randomize(network)
    x = np.array([[-9.0, -1.0], [0.0, 0.5], [0.6, 0.75], [1.9, 2.0], [2.5, 1e4]])
    expected = [by_loop(row, theta, [edges, edges]) for row in x]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-12)


def test_gradients_with_edges_from_data():
    """Central differences, with bins of no width among the others."""
    rng = np.random.default_rng(0)
    seen = np.stack([rng.standard_normal(30), rng.integers(0, 2, 30)], axis=1)
    network = network_of(PiecewiseLinearEmbeddingSpec(units=2, bins=4), in_shape=(2,), x=seen)
    theta = randomize(network)
    x = np.column_stack([rng.standard_normal(6), rng.uniform(0.1, 0.9, 6)])
    direction = rng.standard_normal(network.forward(x).shape)
    dx = network.backward(direction.copy()).copy()

    def cost(array, i, change):
        kept = array[i]
        array[i] = kept + change
        value = float(np.sum(direction * network.forward(x)))
        array[i] = kept
        return value

    for array, gradient in ((network.theta, network.grad.copy()), (x, dx)):
        for i in np.ndindex(array.shape):
            difference = (cost(array, i, 1e-6) - cost(array, i, -1e-6)) / 2e-6
            assert gradient[i] == pytest.approx(difference, rel=1e-6, abs=1e-7)
    assert np.any(theta["V"])


def test_start():
    """A line of U(-r, r), r = 1 / sqrt(units), and no curve."""
    network = network_of(PiecewiseLinearEmbeddingSpec(), in_shape=(100,))
    theta = by_name(network, network.theta)
    assert theta["V"].shape == (100, 48, 16)
    assert not theta["V"].any()
    for name in ("w", "b"):
        assert np.abs(theta[name]).max() == pytest.approx(0.25, rel=0.02)
    x = np.random.default_rng(0).standard_normal((3, 100))
    expected = x[:, :, None] * theta["w"] + theta["b"]
    np.testing.assert_allclose(network.forward(x), expected.reshape(3, -1))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=st.integers(2, 200), bins=st.integers(1, 60), seed=st.integers(0, 99))
def test_edges_are_quantiles(rows, bins, seed):
    x = np.random.default_rng(seed).standard_normal((rows, 1))
    [edges] = quantile_edges(x, bins)
    assert (edges[0], edges[-1]) == (x.min(), x.max())
    assert (np.diff(edges) >= 0).all()
    if rows > bins:
        assert (np.diff(edges) > 0).all()
        shares = np.histogram(x[:, 0], edges)[0] / rows
        np.testing.assert_allclose(shares, 1 / bins, atol=2 / rows)


def test_equal_quantiles_are_one_edge():
    [edges] = quantile_edges(np.repeat([0.0, 1.0, 5.0], [60, 30, 10])[:, None], 4)
    np.testing.assert_array_equal(edges, [0, 1, 5, 5, 5])


@pytest.mark.parametrize("values", [[2.0] * 9, [0.0] * 9, [1e4], [1.0, 1.0 + 1e-9]])
def test_a_feature_without_a_range_has_the_usual_edges(values):
    np.testing.assert_array_equal(quantile_edges(np.array(values)[:, None], 4), [USUAL])


def test_without_rows_the_edges_are_the_usual_ones():
    network = network_of(PiecewiseLinearEmbeddingSpec(bins=4), in_shape=(3,))
    np.testing.assert_array_equal(edges_of(network), [USUAL] * 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1.0, 1e4, 1e30])
def test_any_scale_is_finite(dtype, scale):
    """Values that nearly coincide would make bins of hardly any width."""
    rng = np.random.default_rng(0)
    seen = (rng.standard_normal((50, 3)) * [1, 1e-6, 0] * scale + [0, scale, 3]).astype(dtype)
    network = network_of(PiecewiseLinearEmbeddingSpec(), in_shape=(3,), x=seen, dtype=dtype)
    by_name(network, network.theta)["V"][:] = 0.1
    for x in (seen, np.full((2, 3), 1e4, dtype), np.full((2, 3), -1e4, dtype), np.zeros((2, 3), dtype)):
        y = network.forward(x)
        assert np.isfinite(y).all()
        assert np.isfinite(network.backward(np.ones_like(y))).all()
        assert np.isfinite(network.grad).all()


def test_before_init_there_is_no_curve():
    """All edges are 0: a network that has only been allocated is a line."""
    network = network_of(PiecewiseLinearEmbeddingSpec(units=2, bins=3), in_shape=(2,))
    network.state[:] = 0
    theta = randomize(network)
    x = np.random.default_rng(0).standard_normal((4, 2))
    line = x[:, :, None] * theta["w"] + theta["b"]
    np.testing.assert_allclose(network.forward(x), line.reshape(4, -1))


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_rows_of_other_shapes(shape):
    with pytest.raises(InvalidSpec, match="takes rows of one axis"):
        NetworkSpec(layers=(PiecewiseLinearEmbeddingSpec(),)).build(shape)


@pytest.mark.parametrize(
    "edges", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, 1e-9), (0.0, 1e7), (0.0, float("nan"))]
)
def test_edges_that_make_no_bins(edges):
    with pytest.raises(ValidationError):
        PiecewiseLinearEmbeddingSpec(edges=edges)
