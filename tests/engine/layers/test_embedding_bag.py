"""Embedding bag: what it makes of ids, whatever their order, and what its vectors learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize

from engine.layers.embedding_bag import EmbeddingBagSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec

SIZE, DIMENSION = 7, 3


@pytest.mark.parametrize("combine", ["mean", "sum"])
@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    rows=st.lists(
        st.lists(st.integers(-3, SIZE + 3) | st.floats(), min_size=4, max_size=4), min_size=1, max_size=5
    )
)
def test_it_is_a_matrix_product_with_counts(combine: str, rows: list[list[float]]) -> None:
    """Values and gradients; 0 and what is not an id, such as -1, 2.5 or NaN, are left out."""
    spec = EmbeddingBagSpec(size=SIZE, dimension=DIMENSION, combine=combine)
    network = network_of(spec, in_shape=(4,), batch=5)
    weights = randomize(network)["W"]
    counts = np.array([[row.count(number) for number in range(1, SIZE)] for row in rows], float)
    if combine == "mean":
        counts /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    y = network.forward(np.array(rows, float), train=True)
    np.testing.assert_allclose(y, counts @ weights[1:], rtol=1e-12, atol=1e-14)
    dy = np.cos(y)
    expected = counts.T @ dy
    assert not network.backward(dy).any()
    gradient = by_name(network, network.grad)["W"]
    np.testing.assert_allclose(gradient[1:], expected, rtol=1e-12, atol=1e-14)
    assert not gradient[0].any()


def test_the_last_axis_is_the_bag() -> None:
    network = network_of(EmbeddingBagSpec(size=SIZE, dimension=DIMENSION), in_shape=(2, 3), batch=4)
    x = np.random.default_rng(0).integers(0, SIZE, (4, 2, 3)).astype(float)
    y = network.forward(x).copy()
    assert network.out_shape == (2, DIMENSION)
    np.testing.assert_array_equal(y[:, ::-1], network.forward(np.ascontiguousarray(x[:, ::-1])))
    with pytest.raises(InvalidSpec, match="axis of ids"):
        NetworkSpec(layers=(EmbeddingBagSpec(size=2, dimension=1),)).build(())
