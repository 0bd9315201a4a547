"""The transformer's block against its formula, piece by piece in NumPy, and what it must not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import network_of, randomize

from engine.arrays import Array
from engine.layers import LayerSpec
from engine.layers.attention.positional_encoding import PositionalEncodingSpec
from engine.layers.attention.transformer import TransformerEncoderSpec
from engine.layers.embedding import EmbeddingSpec
from engine.spec import InvalidSpec

STEPS, FEATURES, HEADS = 5, 6, 2
PRE, POST = (TransformerEncoderSpec(heads=HEADS, normalization=where, dropout=0) for where in ("pre", "post"))

quickly = settings(max_examples=20, deadline=None, derandomize=True)
series = st.integers(0, 2**32).map(
    lambda seed: np.random.default_rng(seed).standard_normal((3, STEPS, FEATURES))
)


class Formula:
    """The block as the articles write it, from parameters in the order of the network's."""

    def __init__(self, spec: TransformerEncoderSpec, parameters: list[Array]) -> None:
        self._spec, self._pre = spec, spec.normalization == "pre"
        if self._pre:
            self._norms, self._attention, self._last_norms, self._dense = self.split(parameters, 2, 6, 8)
        else:
            self._attention, self._norms, self._dense, self._last_norms = self.split(parameters, 4, 6, 10)

    @staticmethod
    def split(parameters: list[Array], *ends: int) -> list[list[Array]]:
        return [
            parameters[start:end] for start, end in zip((0, *ends), (*ends, len(parameters)), strict=True)
        ]

    def __call__(self, x: Array) -> Array:
        if self._pre:
            h = x + self.attention(self.normalize(x, *self._norms))
            return h + self.feed_forward(self.normalize(h, *self._last_norms))
        h = self.normalize(x + self.attention(x), *self._norms)
        return self.normalize(h + self.feed_forward(h), *self._last_norms)

    @staticmethod
    def normalize(x: Array, gamma: Array, beta: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        return gamma * centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) + beta

    def attention(self, x: Array) -> Array:
        W, b, W_o, b_o = self._attention
        q, k, v = np.split(x @ W + b, 3, axis=-1)
        d, mixed = FEATURES // HEADS, []
        for h in range(0, FEATURES, d):
            weights = np.exp(q[..., h : h + d] @ k[..., h : h + d].swapaxes(1, 2) / np.sqrt(d))
            if self._spec.causal:
                weights = np.tril(weights)
            mixed.append(weights / weights.sum(axis=-1, keepdims=True) @ v[..., h : h + d])
        return np.concatenate(mixed, axis=-1) @ W_o + b_o

    def feed_forward(self, x: Array) -> Array:
        W1, b1, W2, b2 = self._dense
        z = x @ W1 + b1
        if self._spec.activation == "relu":
            return np.maximum(z, 0) @ W2 + b2
        return z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))) @ W2 + b2


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("spec", [PRE, POST], ids=["pre", "post"])
@pytest.mark.parametrize(("causal", "feed_forward"), [(False, None), (True, 3)])
def test_formula(
    spec: TransformerEncoderSpec, activation: str, causal: bool, feed_forward: int | None
) -> None:
    spec = spec.model_copy(update={"activation": activation, "causal": causal, "feed_forward": feed_forward})
    network = network_of(spec, in_shape=(STEPS, FEATURES), batch=3)
    formula = Formula(spec, list(randomize(network).values()))
    x = np.random.default_rng(3).standard_normal((3, STEPS, FEATURES))
    for train in (True, False):
        np.testing.assert_allclose(network.forward(x, train=train), formula(x), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("features", [4, 8])
def test_parameters(features: int) -> None:
    """4 F^2 of the attention, 8 F^2 of the dense layers, 9 F of biases, 4 F of the normalisations."""
    network = network_of(TransformerEncoderSpec(heads=2), in_shape=(3, features), batch=1)
    assert network.theta.size == 12 * features**2 + 13 * features
    decayed = sum(segment.slice.stop - segment.slice.start for segment in network.segments if segment.decay)
    assert decayed == 12 * features**2


def test_it_starts_as_its_parts_do() -> None:
    """The first dense layer as before a ReLU, and every gamma 1: about 1 is the deviation that comes out."""
    network = network_of(PRE, in_shape=(3, 64), batch=1000)
    x = np.random.default_rng(0).standard_normal((1000, 3, 64))
    assert 1 < network.forward(x).std() < 2.5


@quickly
@given(series, st.permutations(range(STEPS)))
@pytest.mark.parametrize("spec", [PRE, POST], ids=["pre", "post"])
def test_permuted_steps_give_permuted_outputs(spec: LayerSpec, x: Array, order: list[int]) -> None:
    network = network_of(spec, in_shape=(STEPS, FEATURES), batch=3)
    y = network.forward(x).copy()
    np.testing.assert_allclose(network.forward(x[:, order]), y[:, order], rtol=1e-8, atol=1e-10)


@quickly
@given(series, st.integers(1, STEPS - 1))
def test_a_causal_block_does_not_see_what_comes(x: Array, now: int) -> None:
    spec = PRE.model_copy(update={"causal": True})
    network = network_of(spec, spec, in_shape=(STEPS, FEATURES), batch=3)
    y = network.forward(x).copy()
    x[:, now:] += 1
    np.testing.assert_array_equal(network.forward(x)[:, :now], y[:, :now])


@pytest.mark.parametrize("spec", [PRE, POST], ids=["pre", "post"])
@pytest.mark.parametrize("length", [1, 3])
def test_padding_has_no_influence_from_the_ids_on(spec: TransformerEncoderSpec, length: int) -> None:
    """Embedding, positions and two blocks: a padded series gives what the shorter one gives, gradients too."""
    block = spec.model_copy(update={"mask_value": 0.0})
    layers = (
        EmbeddingSpec(size=9, dimension=FEATURES, zero_is_padding=True),
        PositionalEncodingSpec(mask_value=0),
        block,
        block,
    )
    short, padded = (network_of(*layers, in_shape=(steps,), batch=3) for steps in (length, STEPS))
    ids = np.zeros((3, STEPS))
    ids[:, :length] = np.random.default_rng(3).integers(1, 9, (3, length))
    expected = short.forward(ids[:, :length].copy(), train=True).copy()
    y = padded.forward(ids, train=True).copy()
    np.testing.assert_allclose(y[:, :length], expected, rtol=1e-9, atol=1e-11)
    assert not y[:, length:].any()
    short.backward(np.cos(expected))
    padded.backward(np.cos(y))
    np.testing.assert_allclose(padded.grad, short.grad, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("spec", [PRE, POST], ids=["pre", "post"])
def test_bits_of_a_row_do_not_depend_on_its_place(spec: LayerSpec) -> None:
    """In evaluation, so that a model may answer many rows at a time."""
    network = network_of(spec, in_shape=(STEPS, FEATURES), batch=64, dtype=np.float32)
    row = np.random.default_rng(3).standard_normal((1, STEPS, FEATURES), np.float32)
    y = network.forward(np.repeat(row, 64, axis=0))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:1], y.shape))


def test_dropout_is_there_in_training_alone() -> None:
    network, plain = (
        network_of(PRE.model_copy(update={"dropout": rate}), in_shape=(STEPS, FEATURES), batch=3)
        for rate in (0.5, 0.0)
    )
    x = np.random.default_rng(3).standard_normal((3, STEPS, FEATURES))
    expected = plain.forward(x)
    np.testing.assert_array_equal(network.forward(x), expected)
    assert (network.forward(x, train=True) != expected).any()


def test_mistakes_are_named() -> None:
    with pytest.raises(InvalidSpec, match="6 features cannot be divided among 4 heads") as error:
        TransformerEncoderSpec(heads=4).build((5, 6))
    assert error.value.path == ("heads",)
    with pytest.raises(InvalidSpec, match="transformer_encoder takes series"):
        TransformerEncoderSpec().build((6,))
