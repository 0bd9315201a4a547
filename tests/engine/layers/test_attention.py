"""Attention against a plain loop and against ONNX's, and what it must not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize
from onnx_node import reference, runtime
from pydantic import ValidationError

from engine.arrays import Array
from engine.layers.attention.multi_head import MultiHeadAttentionSpec
from engine.network import Network
from engine.spec import InvalidSpec

STEPS, FEATURES = 5, 6
SPECS = [
    MultiHeadAttentionSpec(heads=heads, key_dimension=d, causal=causal, bias=bias)
    for heads, d, causal, bias in [
        (1, None, False, True),
        (2, None, True, True),
        (3, None, False, False),
        (2, 4, False, True),
        (3, 1, True, True),
        (1, 7, True, False),
    ]
]

each_spec = pytest.mark.parametrize("spec", SPECS, ids=repr)
quickly = settings(max_examples=25, deadline=None, derandomize=True)
series = st.integers(0, 2**32).map(
    lambda seed: np.random.default_rng(seed).standard_normal((3, STEPS, FEATURES))
)


def attention_of(spec: MultiHeadAttentionSpec, steps: int = STEPS) -> tuple[Network, dict[str, Array]]:
    network = network_of(spec, in_shape=(steps, FEATURES), batch=3)
    return network, randomize(network)


def queries_keys_values(x: Array, parameters: dict[str, Array]) -> list[Array]:
    """Each of them (rows, steps, heads * d)."""
    return np.split(x @ parameters["W"] + parameters.get("b", 0), 3, axis=-1)


def by_loops(spec: MultiHeadAttentionSpec, x: Array, parameters: dict[str, Array]) -> Array:
    """The formula, for one row, one head and one query at a time."""
    q, k, v = queries_keys_values(x, parameters)
    d = q.shape[-1] // spec.heads
    mixed = np.zeros_like(q)
    for row in range(len(x)):
        for head in range(0, spec.heads * d, d):
            part = slice(head, head + d)
            for t in range(x.shape[1]):
                seen = t + 1 if spec.causal else x.shape[1]
                weights = np.exp([q[row, t, part] @ k[row, s, part] / np.sqrt(d) for s in range(seen)])
                for s, weight in enumerate(weights / weights.sum()):
                    mixed[row, t, part] += weight * v[row, s, part]
    return mixed @ parameters["W_o"] + parameters.get("b_o", 0)


@each_spec
@pytest.mark.parametrize("steps", [1, 2, STEPS])
def test_formula(spec: MultiHeadAttentionSpec, steps: int) -> None:
    network, parameters = attention_of(spec, steps)
    x = np.random.default_rng(3).standard_normal((3, steps, FEATURES))
    np.testing.assert_allclose(network.forward(x), by_loops(spec, x, parameters), rtol=1e-10, atol=1e-12)


@each_spec
@pytest.mark.parametrize("implementation", [reference, runtime])
def test_onnx(spec: MultiHeadAttentionSpec, implementation: object) -> None:
    """ONNX's node has no weights: it starts from the queries, keys and values."""
    network, parameters = attention_of(spec)
    x = np.random.default_rng(3).standard_normal((3, STEPS, FEATURES))
    inputs = dict(zip("QKV", queries_keys_values(x, parameters), strict=True))
    [mixed] = implementation(
        "Attention",
        inputs,
        opset=23,
        q_num_heads=spec.heads,
        kv_num_heads=spec.heads,
        is_causal=int(spec.causal),
    )
    expected = mixed @ parameters["W_o"] + parameters.get("b_o", 0)
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-5, atol=1e-6)


@quickly
@given(series, st.permutations(range(STEPS)))
def test_permuted_steps_give_permuted_outputs(x: Array, order: list[int]) -> None:
    """Values and gradients alike: attention does not know the order of the steps."""
    network, _ = attention_of(MultiHeadAttentionSpec(heads=2))
    y = network.forward(x, train=True).copy()
    dx = network.backward(np.cos(y)).copy()
    permuted = network.forward(x[:, order], train=True)
    np.testing.assert_allclose(permuted, y[:, order], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(network.backward(np.cos(permuted)), dx[:, order], rtol=1e-9, atol=1e-11)


@quickly
@given(series, st.integers(1, STEPS - 1))
def test_causal_attention_does_not_see_what_comes(x: Array, now: int) -> None:
    network, _ = attention_of(MultiHeadAttentionSpec(heads=2, causal=True))
    y = network.forward(x, train=True).copy()
    x[:, now:] += 1
    np.testing.assert_array_equal(network.forward(x, train=True)[:, :now], y[:, :now])
    dy = np.zeros_like(y)
    dy[:, :now] = 1
    assert not network.backward(dy)[:, now:].any()


@quickly
@given(series, st.integers(1, STEPS - 1), st.booleans(), st.booleans())
def test_padding_has_no_influence(x: Array, length: int, before: bool, causal: bool) -> None:
    """A padded series gives what the shorter one gives, gradients of the weights too."""
    spec = MultiHeadAttentionSpec(heads=2, causal=causal, mask_value=-7)
    short, parameters = attention_of(spec, length)
    padded, same = attention_of(spec)
    assert all((same[name] == parameters[name]).all() for name in parameters)
    real = slice(STEPS - length, STEPS) if before else slice(length)
    series = np.full_like(x, -7)
    series[:, real] = x[:, real]
    expected = short.forward(x[:, real].copy(), train=True)
    y = padded.forward(series, train=True)
    np.testing.assert_allclose(y[:, real], expected, rtol=1e-9, atol=1e-11)
    assert (np.delete(y, np.arange(STEPS)[real], axis=1) == -7).all()
    dy = np.ones_like(y)
    dx, expected_dx = padded.backward(dy), short.backward(np.ones_like(expected))
    np.testing.assert_allclose(dx[:, real], expected_dx, rtol=1e-9, atol=1e-11)
    assert not np.delete(dx, np.arange(STEPS)[real], axis=1).any()
    np.testing.assert_allclose(padded.grad, short.grad, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_but_padding(causal: bool, dtype: type[np.floating]) -> None:
    """It comes out as it went in, and moves no weight."""
    spec = MultiHeadAttentionSpec(heads=2, causal=causal, mask_value=0.5)
    network = network_of(spec, in_shape=(STEPS, FEATURES), batch=2, dtype=dtype)
    x = np.full((2, STEPS, FEATURES), 0.5, dtype)
    np.testing.assert_array_equal(network.forward(x, train=True), x)
    assert not network.backward(np.ones_like(x)).any()
    assert not network.grad.any()


def test_a_step_that_is_padding_only_in_part_counts() -> None:
    network, _ = attention_of(MultiHeadAttentionSpec(heads=2, mask_value=0))
    plain, _ = attention_of(MultiHeadAttentionSpec(heads=2))
    x = np.random.default_rng(3).standard_normal((3, STEPS, FEATURES))
    x[:, 2, 1:] = 0
    np.testing.assert_array_equal(network.forward(x), plain.forward(x))


def test_weights_of_queries_keys_and_values_start_each_by_itself() -> None:
    """Glorot's bound belongs to a matrix of features by heads times d, not to the three of them together."""
    network = network_of(MultiHeadAttentionSpec(heads=4), in_shape=(2, 100), batch=1)
    parameters = by_name(network, network.theta)
    assert not parameters["b"].any()
    for weights in (*np.split(parameters["W"], 3, axis=1), parameters["W_o"]):
        assert np.abs(weights).max() == pytest.approx(np.sqrt(6 / 200), rel=1e-3)


def test_weights_are_decayed_and_biases_not() -> None:
    network, _ = attention_of(MultiHeadAttentionSpec(heads=2))
    assert {s.name: s.decay for s in network.segments} == {
        "0.W": True,
        "0.W_o": True,
        "0.b": False,
        "0.b_o": False,
    }


@pytest.mark.parametrize("shape", [(), (6,), (2, 3, 6)])
def test_a_series_is_needed(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidSpec, match=r"multi_head_attention takes series \(steps, features\)"):
        MultiHeadAttentionSpec().build(shape)


def test_heads_must_divide_the_features() -> None:
    with pytest.raises(InvalidSpec, match="6 features cannot be divided among 4 heads") as error:
        MultiHeadAttentionSpec(heads=4).build((5, 6))
    assert error.value.path == ("heads",)
    assert MultiHeadAttentionSpec(heads=4, key_dimension=2).build((5, 6)).out_shape == (5, 6)


def test_absurd_shapes_are_built() -> None:
    layer = MultiHeadAttentionSpec(heads=10**12, causal=True, mask_value=0).build((10**25, 10**24))
    assert layer.buffer_values() > 10**50


@pytest.mark.parametrize("values", [{"heads": 0}, {"key_dimension": 0}, {"mask_value": 1e10}])
def test_fields_have_bounds(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        MultiHeadAttentionSpec(**values)
