"""Recurrent layers against onnxruntime and a plain loop; directions, starts, and what they can learn."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize
from onnx_node import runtime
from pydantic import ValidationError
from scipy.special import expit

from engine.arrays import Array
from engine.layers import LayerSpec
from engine.layers.dense import DenseSpec
from engine.layers.recurrent.base import RecurrentSpec
from engine.layers.recurrent.bidirectional import BidirectionalSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec
from engine.losses import LogLossSpec
from engine.optimizers import AdamSpec
from engine.spec import InvalidSpec

SPECS: list[type[RecurrentSpec]] = [SimpleRnnSpec, LstmSpec, GruSpec]
PADDING = -3.0

each_kind = pytest.mark.parametrize("kind", SPECS)
any_kind = st.sampled_from(SPECS)
few = settings(max_examples=40, deadline=None, derandomize=True)


def series(*shape: int, seed: int = 2, dtype: type[np.floating] = np.float64) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def onnx_weights(kind: type[RecurrentSpec], params: dict[str, Array]) -> tuple[Array, Array, Array]:
    """W, R and B of one direction: ONNX has the gates' blocks as rows, and its own order of gates."""
    match kind.model_fields["kind"].default:
        case "simple_rnn":
            order, b, recurrent_b = [0], params["b"], np.zeros_like(params["b"])
        case "lstm":  # i, f, o, g to i, o, f, c
            order, blocks = [0, 2, 1, 3], np.split(params["b"], 4)
            b = np.concatenate([blocks[k] for k in order])
            recurrent_b = np.zeros_like(b)
        case "gru":  # r, z, n to z, r, h
            order, (b_r, b_z, b_u, b_n) = [1, 0, 2], np.split(params["b"], 4)
            b = np.concatenate([b_z, b_r, b_n])
            recurrent_b = np.concatenate([0 * b_z, 0 * b_r, b_u])

    def rows(name: str) -> Array:
        blocks = np.split(params[name], len(order), axis=1)
        return np.concatenate([blocks[k].T for k in order])

    return rows("W"), rows("U"), np.concatenate([b, recurrent_b])


@each_kind
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize("lengths", [(5, 5, 5, 5), (5, 2, 1, 4)], ids=["full", "padded"])
def test_against_onnxruntime(
    kind: type[RecurrentSpec], direction: str, sequences: bool, lengths: tuple[int, ...]
) -> None:
    """Outputs at real steps and last states; lengths are told by padding after the series."""
    rows, steps, features, units = 4, 5, 3, 4
    layer = kind(
        units=units,
        return_sequences=sequences,
        mask_value=PADDING,
        backwards=direction == "reverse",
    )
    spec = BidirectionalSpec(layer=layer) if direction == "bidirectional" else layer
    network = network_of(spec, in_shape=(steps, features), dtype=np.float32)
    params = randomize(network)
    ways = [""] if direction != "bidirectional" else ["0.0.", "1.0."]
    weights = [onnx_weights(kind, {name: params[f"{way}{name}"] for name in ("W", "U", "b")}) for way in ways]
    x = series(rows, steps, features, dtype=np.float32)
    padded = np.arange(steps) >= np.array(lengths)[:, None]
    x[padded] = PADDING
    outputs, states = runtime(
        {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}[layer.kind],
        {
            "X": np.ascontiguousarray(x.transpose(1, 0, 2)),
            **{name: np.stack(both) for name, both in zip("WRB", zip(*weights, strict=True), strict=True)},
            "sequence_lens": np.array(lengths, np.int32),
        },
        2,
        opset=14,
        hidden_size=units,
        direction=direction,
        **({"linear_before_reset": 1} if kind is GruSpec else {}),
    )
    y = network.forward(x)
    if sequences:  # (steps, directions, rows, units) to (rows, steps, directions * units)
        expected = outputs.transpose(2, 0, 1, 3).reshape(rows, steps, -1)
        y, expected = y[~padded], expected[~padded]
    else:
        expected = states.transpose(1, 0, 2).reshape(rows, -1)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def states_of(kind: type[RecurrentSpec], params: dict[str, Array], x: Array) -> Array:
    """The state after each step of one series, from the formulas."""
    W, U, b = params["W"], params["U"], params["b"]
    h = c = np.zeros(len(U))
    states = []
    for step in x:
        if kind is SimpleRnnSpec:
            h = np.tanh(step @ W + h @ U + b)
        elif kind is LstmSpec:
            i, f, o, g = np.split(step @ W + h @ U + b, 4)
            c = expit(f) * c + expit(i) * np.tanh(g)
            h = expit(o) * np.tanh(c)
        else:
            (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(step @ W, 3), np.split(h @ U, 3)
            b_r, b_z, b_u, b_n = np.split(b, 4)
            r, z = expit(x_r + h_r + b_r), expit(x_z + h_z + b_z)
            h = (1 - z) * np.tanh(x_n + b_n + r * (h_n + b_u)) + z * h
        states.append(h)
    return np.array(states)


@few
@given(
    kind=any_kind,
    rows=st.integers(1, 3),
    steps=st.integers(1, 6),
    features=st.integers(1, 3),
    units=st.integers(1, 3),
)
def test_against_a_plain_loop(
    kind: type[RecurrentSpec], rows: int, steps: int, features: int, units: int
) -> None:
    network = network_of(kind(units=units, return_sequences=True), in_shape=(steps, features))
    params, x = randomize(network), series(rows, steps, features)
    expected = [states_of(kind, params, row) for row in x]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-12, atol=1e-14)


@few
@given(kind=any_kind, sequences=st.booleans(), steps=st.integers(1, 5))
def test_backwards_is_the_series_turned_around(
    kind: type[RecurrentSpec], sequences: bool, steps: int
) -> None:
    x, results = series(3, steps, 2), []
    for backwards in (False, True):
        spec = kind(units=2, return_sequences=sequences, backwards=backwards)
        network = network_of(spec, in_shape=(steps, 2))
        randomize(network)
        y = network.forward(x if backwards else x[:, ::-1].copy()).copy()
        dy = series(*y.shape, seed=3)
        dx = network.backward(dy.copy() if backwards or not sequences else dy[:, ::-1].copy())
        turned = y[:, ::-1] if sequences and not backwards else y
        results.append((turned, dx if backwards else dx[:, ::-1], network.grad))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@each_kind
@pytest.mark.parametrize("merge", ["concatenate", "add"])
@pytest.mark.parametrize("sequences", [False, True])
def test_bidirectional_is_both_directions(kind: type[RecurrentSpec], merge: str, sequences: bool) -> None:
    layer, x = kind(units=2, return_sequences=sequences), series(3, 4, 2)
    both = network_of(BidirectionalSpec(layer=layer, merge=merge), in_shape=(4, 2))
    randomize(both)
    outputs = []
    for theta, backwards in zip(np.split(both.theta, 2), (False, True), strict=True):
        one = network_of(layer.model_copy(update={"backwards": backwards}), in_shape=(4, 2))
        one.theta[:] = theta
        outputs.append(one.forward(x))
    expected = np.concatenate(outputs, axis=-1) if merge == "concatenate" else sum(outputs)
    np.testing.assert_array_equal(both.forward(x), expected)


@few
@given(kind=any_kind, batches=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_batches_of_changing_size(kind: type[RecurrentSpec], batches: list[int]) -> None:
    """Nothing is left over from one batch to the next."""
    spec = kind(units=2, mask_value=PADDING)
    changing = network_of(spec, in_shape=(3, 2), batch=6)
    randomize(changing)
    for seed, rows in enumerate(batches):
        made_for_it = network_of(spec, in_shape=(3, 2), batch=rows)
        randomize(made_for_it)
        x, dy = series(rows, 3, 2, seed=seed), series(rows, 2, seed=seed)
        np.testing.assert_array_equal(changing.forward(x), made_for_it.forward(x))
        np.testing.assert_array_equal(changing.backward(dy), made_for_it.backward(dy))
        np.testing.assert_array_equal(changing.grad, made_for_it.grad)


@each_kind
def test_backward_may_be_repeated(kind: type[RecurrentSpec]) -> None:
    """One forward pass serves the gradients of several outputs, as explanations need them."""
    network = network_of(kind(units=2), in_shape=(4, 2))
    randomize(network)
    network.forward(series(3, 4, 2))
    gradients = []
    for _ in range(2):
        dx = network.backward(series(3, 2)).copy()
        gradients.append((dx, network.grad.copy()))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_array_equal(one, other)


@each_kind
def test_long_series_stay_finite_and_allocate_nothing(kind: type[RecurrentSpec]) -> None:
    """The memory of a step does not grow with the number of steps."""
    network = network_of(kind(units=4, return_sequences=True), in_shape=(500, 3), batch=8, dtype=np.float32)
    x = series(8, 500, 3, dtype=np.float32)
    dy = np.ones((8, 500, 4), np.float32)
    for _ in range(2):
        tracemalloc.start()
        network.forward(x, train=True)
        network.backward(dy)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 64 * 1024
    assert np.isfinite(network.grad).all()


def test_starts() -> None:
    """U's blocks are orthogonal, W's have Glorot's bound, and the forget gate is open."""
    features, units = 50, 30
    params = {
        kind: by_name(network, network.theta)
        for kind in SPECS
        for network in [network_of(kind(units=units), in_shape=(3, features))]
    }
    bound = np.sqrt(6 / (features + units))
    for kind, gates in ((SimpleRnnSpec, 1), (LstmSpec, 4), (GruSpec, 3)):
        for block in np.split(params[kind]["U"], gates, axis=1):
            np.testing.assert_allclose(block.T @ block, np.eye(units), atol=1e-12)
        assert 0.99 * bound < np.abs(params[kind]["W"]).max() <= bound
    np.testing.assert_array_equal(np.split(params[LstmSpec]["b"], 4)[1], 1)
    assert params[LstmSpec]["b"].sum() == units
    assert not params[GruSpec]["b"].any()


def test_lstm_remembers_over_many_steps() -> None:
    """The class is the sign of the first of 10 values; from the 9 others nothing can be told."""
    rng = np.random.default_rng(0)
    network = network_of(LstmSpec(units=8), DenseSpec(units=1), in_shape=(10, 1), batch=64, dtype=np.float32)
    loss = LogLossSpec().build((1,), batch=64, dtype=network.dtype)
    optimizer = AdamSpec().build()
    optimizer.bind(network.segments, network.theta.size, network.dtype)
    d = np.empty((64, 1), np.float32)
    for _ in range(300):
        x = rng.standard_normal((64, 10, 1)).astype(np.float32)
        loss(network.forward(x, train=True), (x[:, 0] > 0).astype(np.float32), None, d)
        network.backward(d)
        optimizer.step(network.theta, network.grad, 0.02)
    x = rng.standard_normal((64, 10, 1)).astype(np.float32)
    assert np.mean((network.forward(x) > 0) == (x[:, 0] > 0)) > 0.9


@each_kind
def test_costs(kind: type[RecurrentSpec]) -> None:
    """Of absurd sizes too: nothing is allocated, and numbers do not overflow."""
    gates, blocks = {SimpleRnnSpec: (1, 1), LstmSpec: (4, 4), GruSpec: (3, 4)}[kind]
    for steps, features, units in ((5, 3, 2), (10**9, 10**10, 10**12)):
        layer = kind(units=units).build((steps, features))
        assert layer.param_shapes == {
            "W": (features, gates * units),
            "U": (units, gates * units),
            "b": (blocks * units,),
        }
        assert layer.multiply_adds() == steps * gates * units * (features + units)
        assert layer.buffer_values() > steps * (units + features)


@each_kind
@pytest.mark.parametrize("in_shape", [(), (4,), (4, 3, 2)])
def test_rows_must_be_series(kind: type[RecurrentSpec], in_shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidSpec, match=r"\(steps, features\)") as error:
        kind(units=2).build(in_shape)
    assert error.value.path == ()
    with pytest.raises(InvalidSpec, match=r"\(steps, features\)") as error:
        BidirectionalSpec(layer=kind(units=2)).build(in_shape)
    assert error.value.path == ("layer",)


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (SimpleRnnSpec, {}),
        (LstmSpec, {"units": 0}),
        (LstmSpec, {"units": 2, "forget_bias": 1e3}),
        (GruSpec, {"units": 2, "mask_value": 1e300}),
        (GruSpec, {"units": 2, "mask_value": float("nan")}),
        (BidirectionalSpec, {"layer": {"kind": "dense", "units": 2}}),
    ],
)
def test_fields_have_bounds(spec: type[LayerSpec], fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        spec(**fields)
