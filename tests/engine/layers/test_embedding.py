"""Embedding: what it looks up, for what, and what its vectors learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize
from pydantic import ValidationError

from engine.layers.embedding import LARGEST_SIZE, EmbeddingSpec

SIZE, DIMENSION = 7, 3


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(
        st.lists(st.integers(-3, SIZE + 3) | st.floats(), min_size=4, max_size=4), min_size=1, max_size=5
    )
)
def test_it_is_a_matrix_product_with_one_hot_rows(rows: list[list[float]]) -> None:
    """Values and gradients; what is not an id, such as -1, 2.5 or NaN, counts as 0."""
    network = network_of(EmbeddingSpec(size=SIZE, dimension=DIMENSION), in_shape=(4,), batch=5)
    weights = randomize(network)["W"]
    ids = [[int(value) if value in range(SIZE) else 0 for value in row] for row in rows]
    one_hot = np.eye(SIZE)[ids]
    y = network.forward(np.array(rows, float), train=True)
    np.testing.assert_allclose(y, one_hot @ weights, rtol=1e-12)
    dy = np.cos(y)
    expected = np.tensordot(one_hot, dy, axes=((0, 1), (0, 1)))
    assert not network.backward(dy).any()
    np.testing.assert_allclose(by_name(network, network.grad)["W"], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("in_shape", [(), (4,), (2, 3)])
def test_each_number_becomes_a_vector(in_shape: tuple[int, ...]) -> None:
    network = network_of(EmbeddingSpec(size=SIZE, dimension=DIMENSION), in_shape=in_shape, batch=5)
    x = np.random.default_rng(0).integers(0, SIZE, (5, *in_shape))
    y = network.forward(x.astype(float))
    assert network.out_shape == (*in_shape, DIMENSION)
    np.testing.assert_array_equal(y, by_name(network, network.theta)["W"][x])


def test_padding_is_zeros_and_learns_nothing() -> None:
    spec = EmbeddingSpec(size=SIZE, dimension=DIMENSION, zero_is_padding=True)
    network = network_of(spec, in_shape=(4,), batch=1)
    y = network.forward(np.array([[0.0, 1.0, -2.0, 0.0]]), train=True)
    assert y.any(axis=2).tolist() == [[False, True, False, False]]
    network.backward(np.ones_like(y))
    gradient = by_name(network, network.grad)["W"]
    assert gradient.any(axis=1).tolist() == [False, True] + [False] * (SIZE - 2)


def test_gradients_are_overwritten() -> None:
    network = network_of(EmbeddingSpec(size=SIZE, dimension=1), in_shape=(1,), batch=1)
    for token in (3.0, 5.0):
        network.backward(np.ones_like(network.forward(np.array([[token]]), train=True)))
    assert np.flatnonzero(network.grad).tolist() == [5]


def test_a_float32_tells_all_ids_apart() -> None:
    assert np.float32(LARGEST_SIZE - 1) != np.float32(LARGEST_SIZE - 2)
    network = network_of(
        EmbeddingSpec(size=LARGEST_SIZE, dimension=1), in_shape=(1,), batch=2, dtype=np.float32
    )
    network.theta[-2:] = 1, 2
    x = np.array([[LARGEST_SIZE - 2], [LARGEST_SIZE - 1]], np.float32)
    assert network.forward(x).ravel().tolist() == [1, 2]


def test_vectors_start_standard_normal() -> None:
    theta = network_of(EmbeddingSpec(size=100, dimension=100), in_shape=(1,), batch=1).theta
    assert (theta.mean(), theta.std()) == (pytest.approx(0, abs=0.05), pytest.approx(1, rel=0.05))


@pytest.mark.parametrize(
    "values",
    [
        {"size": 0, "dimension": 1},
        {"size": LARGEST_SIZE + 1, "dimension": 1},
        {"size": 1, "dimension": 0},
    ],
)
def test_fields_have_bounds(values: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        EmbeddingSpec(**values)
