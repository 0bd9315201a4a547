"""Weights under Keras' names: by its documented formulas in NumPy, and by Keras itself where it is installed."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from small_templates import SMALL

from engine.encoding.target import RegressionTarget
from engine.export.errors import NotExportable
from engine.export.keras.weights_file import export_keras_weights
from engine.model import Model
from engine.network import Network, NetworkSpec

ROWS = 4
RNG = np.random.default_rng(0)


class _Encoder:
    """The shape of the rows, which is all that the file takes of an encoder."""

    columns = ()
    features = ()

    def __init__(self, shape):
        self.shape = shape


class _Model(Model):
    """A network alone."""

    def __init__(self, network):
        self.network, self.encoder = network.spec, _Encoder(network.in_shape)
        self.link, self._network = "identity", network
        self.target = RegressionTarget(names=("y",), means=(0.0,), stds=(1.0,))

    @property
    def features(self):
        return ()


def exported(spec, shape, seed=1):
    """A network with weights off their starts; what its file holds, and encoded rows with its outputs."""
    network = Network(spec, shape, batch=ROWS, rng=np.random.default_rng(0))
    network.init(np.random.default_rng(seed))
    network.theta[:] += 0.1 * np.random.default_rng(2).standard_normal(network.theta.size)
    network.state[:] = np.random.default_rng(3).uniform(0.5, 1.5, network.state.size)
    network.spec = spec
    file = np.load(io.BytesIO(export_keras_weights(_Model(network))))
    x = np.random.default_rng(4).standard_normal((ROWS, *shape)).astype(np.float32)
    return file, x, network


def layers(*specs):
    return NetworkSpec.model_validate({"layers": list(specs)})


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(x, kernel, recurrent, bias):
    """keras.layers.LSTM: i, f, c, o."""
    h = c = np.zeros((len(x), recurrent.shape[0]))
    for x_t in x.transpose(1, 0, 2):
        i, f, g, o = np.split(x_t @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(x, kernel, recurrent, bias):
    """keras.layers.GRU with reset_after: z, r, h; a bias for each product."""
    h = np.zeros((len(x), recurrent.shape[0]))
    for x_t in x.transpose(1, 0, 2):
        of_x, of_h = x_t @ kernel + bias[0], h @ recurrent + bias[1]
        (xz, xr, xh), (hz, hr, hh) = np.split(of_x, 3, axis=1), np.split(of_h, 3, axis=1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        h = z * h + (1 - z) * np.tanh(xh + r * hh)
    return h


def simple_rnn(x, kernel, recurrent, bias):
    """keras.layers.SimpleRNN."""
    h = np.zeros((len(x), recurrent.shape[0]))
    for x_t in x.transpose(1, 0, 2):
        h = np.tanh(x_t @ kernel + bias + h @ recurrent)
    return h


def conv2d(x, kernel, bias):
    """keras.layers.Conv2D, valid: kernel (height, width, channels, filters)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nhwcij,ijcf->nhwf", windows, kernel) + bias


def attention(x, *variables):
    """keras.layers.MultiHeadAttention of the series with itself."""
    query, query_bias, key, key_bias, value, value_bias, output, output_bias = variables
    q = np.einsum("nsf,fhd->nhsd", x, query) + query_bias[None, :, None]
    k = np.einsum("nsf,fhd->nhsd", x, key) + key_bias[None, :, None]
    v = np.einsum("nsf,fhd->nhsd", x, value) + value_bias[None, :, None]
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(query.shape[2])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("nhsd,hdf->nsf", weights @ v, output) + output_bias


def batch_normalization(x, gamma, beta, mean, variance):
    """keras.layers.BatchNormalization, in inference."""
    return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta


FORMULAS = {
    "lstm": ({"kind": "lstm", "units": 3}, (6, 2), lstm),
    "gru": ({"kind": "gru", "units": 3}, (6, 2), gru),
    "simple_rnn": ({"kind": "simple_rnn", "units": 3}, (6, 2), simple_rnn),
    "conv2d": ({"kind": "conv2d", "filters": 4}, (6, 5, 2), conv2d),
    "multi_head_attention": ({"kind": "multi_head_attention", "heads": 2}, (5, 4), attention),
    "batch_normalization": ({"kind": "batch_normalization"}, (5,), batch_normalization),
    "dense": ({"kind": "dense", "units": 3}, (4,), lambda x, kernel, bias: x @ kernel + bias),
    "ntp": (
        {"kind": "dense", "units": 3, "parametrization": "ntp", "bias": False},
        (4,),
        lambda x, kernel: x @ kernel,
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_every_order_of_weights_is_the_documented_one(name):
    spec, shape, formula = FORMULAS[name]
    file, x, network = exported(layers(spec), shape)
    [told] = json.loads(str(file["about"]))["layers"]
    variables = [file[f"{told['name']}/{variable}"] for variable in told["weights"]]
    assert told["class_name"] is not None
    np.testing.assert_allclose(formula(x, *variables), network.forward(x), atol=2e-6)
    assert sum(variable.size for variable in variables) >= network.theta.size


def test_both_directions_are_told_apart():
    spec = {"kind": "bidirectional", "layer": {"kind": "lstm", "units": 3}}
    file, x, network = exported(layers(spec), (6, 2))
    forward, backward = (
        lstm(
            steps, *(file[f"bidirectional_0/{way}/{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
        )
        for way, steps in (("forward_layer", x), ("backward_layer", x[:, ::-1]))
    )
    np.testing.assert_allclose(np.concatenate([forward, backward], axis=1), network.forward(x), atol=2e-6)


def test_layers_within_layers_have_their_path_in_the_name():
    spec = layers(
        {"kind": "residual", "layers": [{"kind": "dense", "units": 5}, {"kind": "tanh"}]},
        {"kind": "gelu"},
        {"kind": "dense", "units": 2},
    )
    file, x, network = exported(spec, (5,))
    told = json.loads(str(file["about"]))["layers"]
    assert [layer["name"] for layer in told] == ["residual_0", "gelu_1", "dense_2"]
    assert (told[0]["merge"], told[1]["class_name"]) == ("add", None)
    body = np.tanh(x @ file["residual_0/chain_0/dense_0/kernel"] + file["residual_0/chain_0/dense_0/bias"])
    np.testing.assert_allclose(x + body, network.layers[0].forward(x, train=False), atol=1e-6)


@pytest.mark.parametrize("kind", ["realmlp", "tabm", "transformer_small"])
def test_what_keras_does_not_have_is_said(kind):
    template, shape, outputs = SMALL[kind]
    with pytest.raises(NotExportable, match="Keras has no layer like"):
        exported(template.build().resolve(outputs), shape)


MORE = {
    "recurrent": layers(
        {"kind": "lstm", "units": 3, "return_sequences": True},
        {"kind": "gru", "units": 4, "return_sequences": True},
        {
            "kind": "bidirectional",
            "layer": {"kind": "gru", "units": 3, "return_sequences": True},
            "merge": "add",
        },
        {"kind": "simple_rnn", "units": 3, "backwards": True},
    ),
    "images": layers(
        {"kind": "conv2d", "filters": 4, "padding": "same", "stride": 2},
        {"kind": "prelu"},
        {"kind": "conv2d", "filters": 4, "padding": [[1, 0], [2, 1]], "groups": 2},
        {"kind": "batch_normalization"},
        {"kind": "relu6"},
        {"kind": "upsampling2d"},
        {"kind": "transposed_conv2d", "filters": 4, "stride": 2},
        {"kind": "group_normalization", "groups": 2},
        {"kind": "max_pool2d"},
        {"kind": "global_average_pool"},
    ),
    "columns": layers(
        {"kind": "dense", "units": 5, "parametrization": "ntp"},
        {"kind": "mish"},
        {"kind": "parallel", "branches": [[{"kind": "dense", "units": 2}], [{"kind": "elu"}], []]},
        {"kind": "layer_normalization"},
        {"kind": "log_softmax"},
    ),
}
SHAPES = {"recurrent": (6, 2), "images": (9, 11, 3), "columns": (4,)}
IN_KERAS = {
    name: (template.build().resolve(outputs), shape)
    for name, (template, shape, outputs) in SMALL.items()
    if name not in {"realmlp", "tabm", "transformer_small", "alexnet"}
} | {name: (spec, SHAPES[name]) for name, spec in MORE.items()}


def test_keras_itself_answers_alike(tmp_path):
    """By the code of docs/keras.md. Keras is no dependency: this runs where somebody has installed it."""
    pytest.importorskip("keras")
    page = Path(__file__).parents[3].joinpath("docs", "keras.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(code, names)
    for name, (spec, shape) in IN_KERAS.items():
        file, x, network = exported(spec, shape)
        np.savez(tmp_path / "model.npz", **file)
        model, about = names["load"](tmp_path / "model.npz")
        assert about["input_shape"] == list(shape)
        np.testing.assert_allclose(model.predict(x, verbose=0), network.forward(x), atol=2e-5, err_msg=name)
