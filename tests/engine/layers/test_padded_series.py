"""Padded steps in recurrent layers: a padded series is as good as the shorter one without the padding."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from one_layer import network_of

from engine.arrays import Array
from engine.layers.recurrent.base import RecurrentSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec

SPECS: list[type[RecurrentSpec]] = [SimpleRnnSpec, LstmSpec, GruSpec]
PADDING = -3.0
STEPS, FEATURES, UNITS = 4, 2, 2


def latest_read(real: list[bool], backwards: bool) -> list[int | None]:
    """For each step, the place among the real steps of the last one read up to there."""
    places = [sum(real[:t]) if real[t] else None for t in range(STEPS)]
    latest: list[int | None] = [None] * STEPS
    last = None
    for t in reversed(range(STEPS)) if backwards else range(STEPS):
        last = last if places[t] is None else places[t]
        latest[t] = last
    return latest


rows_of_steps = st.lists(st.lists(st.booleans(), min_size=STEPS, max_size=STEPS), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(kind=st.sampled_from(SPECS), backwards=st.booleans(), sequences=st.booleans(), real=rows_of_steps)
@example(kind=LstmSpec, backwards=False, sequences=True, real=[[False] * STEPS, [True] * STEPS])
def test_padding_is_as_if_it_were_not_there(
    kind: type[RecurrentSpec], backwards: bool, sequences: bool, real: list[list[bool]]
) -> None:
    """Outputs, gradients of parameters and of real steps; an output at padding repeats the last one read."""
    rng = np.random.default_rng(len(real))
    masked = kind(units=UNITS, return_sequences=sequences, backwards=backwards, mask_value=PADDING)
    network = network_of(masked, in_shape=(STEPS, FEATURES))
    theta = network.theta[:] = rng.standard_normal(network.theta.size)
    x = rng.standard_normal((len(real), STEPS, FEATURES))
    x[~np.array(real)] = PADDING
    y = network.forward(x, train=True)
    dy = rng.standard_normal(y.shape)
    dx = network.backward(dy.copy())
    total = np.zeros_like(theta)
    for row, steps in enumerate(real):
        assert not dx[row, ~np.array(steps)].any()
        if not any(steps):
            assert not y[row].any()
            continue
        short = network_of(masked.model_copy(update={"mask_value": None}), in_shape=(sum(steps), FEATURES))
        short.theta[:] = theta
        short_y = short.forward(x[row : row + 1, steps])
        short_dy = np.zeros_like(short_y)
        if sequences:
            for t, place in enumerate(latest_read(steps, backwards)):
                expected = np.zeros(UNITS) if place is None else short_y[0, place]
                np.testing.assert_allclose(y[row, t], expected, rtol=1e-12)
                if place is not None:
                    short_dy[0, place] += dy[row, t]
        else:
            np.testing.assert_allclose(y[row], short_y[0], rtol=1e-12)
            short_dy[0] = dy[row]
        short_dx = short.backward(short_dy)
        np.testing.assert_allclose(dx[row, steps], short_dx[0], rtol=1e-11, atol=1e-14)
        total += short.grad
    np.testing.assert_allclose(network.grad, total, rtol=1e-11, atol=1e-13)


def outputs(*layers: RecurrentSpec, x: Array) -> Array:
    return network_of(*layers, in_shape=x.shape[1:]).forward(x)


@pytest.mark.parametrize("kind", SPECS)
def test_a_step_is_padding_only_if_all_its_features_are(kind: type[RecurrentSpec]) -> None:
    x = np.random.default_rng(0).standard_normal((2, STEPS, FEATURES))
    x[:, 1, 0] = PADDING
    np.testing.assert_array_equal(
        outputs(kind(units=2, mask_value=PADDING), x=x), outputs(kind(units=2), x=x)
    )


@pytest.mark.parametrize("kind", SPECS)
def test_padding_before_a_series_passes_a_stack(kind: type[RecurrentSpec]) -> None:
    """Its outputs are 0, which the next layer takes for padding: the stack sees the shorter series."""
    x = np.random.default_rng(0).standard_normal((2, STEPS, FEATURES))
    padded = np.concatenate([np.full((2, 3, FEATURES), PADDING), x], axis=1)
    stack = (kind(units=2, return_sequences=True, mask_value=PADDING), kind(units=3, mask_value=0.0))
    np.testing.assert_allclose(outputs(*stack, x=padded), outputs(*stack, x=x), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mask_value_is_that_of_the_precision(dtype: type[np.floating]) -> None:
    """0.1 is another number in float32; padding made in that precision is recognised all the same."""
    x = np.full((1, STEPS, FEATURES), 0.1, dtype)
    network = network_of(LstmSpec(units=2, mask_value=0.1), in_shape=x.shape[1:], dtype=dtype)
    assert not network.forward(x).any()
