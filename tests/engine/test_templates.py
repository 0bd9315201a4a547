"""Templates: the layers they stand for."""

import pytest
from pydantic import TypeAdapter, ValidationError

from engine.initializers import GlorotUniformSpec, LecunNormalSpec, ZerosSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.summary import summarize
from engine.templates import (
    ACTIVATIONS,
    TEMPLATE_SPECS,
    AnyTemplate,
    LogisticRegressionSpec,
    MlpSpec,
    PerceptronSpec,
)


def test_mlp_by_default() -> None:
    dense = DenseSpec(units=64, weight_initializer=GlorotUniformSpec())
    last = DenseSpec(weight_initializer=ZerosSpec())
    assert MlpSpec().build().layers == (dense, ReluSpec(), dense, ReluSpec(), last)


def test_selu_keeps_its_start() -> None:
    assert MlpSpec(activation="selu").build().layers[0].weight_initializer == LecunNormalSpec()


def test_mlp_as_asked_for() -> None:
    layers = MlpSpec(hidden=[3, 2], activation="tanh", dropout=0.2).build().layers
    assert [layer.kind for layer in layers] == ["dense", "tanh", "dropout"] * 2 + ["dense"]
    assert [layer.units for layer in layers if isinstance(layer, DenseSpec)] == [3, 2, None]
    assert [layer.rate for layer in layers if isinstance(layer, DropoutSpec)] == [0.2, 0.2]


@pytest.mark.parametrize("spec", [PerceptronSpec(), LogisticRegressionSpec()])
def test_one_dense_layer(spec: PerceptronSpec | LogisticRegressionSpec) -> None:
    assert spec.build().layers == (DenseSpec(),)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_can_be_in_an_mlp(activation: str) -> None:
    network = MlpSpec(hidden=[3], activation=activation).build()
    assert summarize(network.resolve(2), (4,)).output_shape == [2]


@pytest.mark.parametrize("spec", TEMPLATE_SPECS)
def test_defaults_make_a_network(spec: type[MlpSpec]) -> None:
    network = spec().build()
    assert summarize(network.resolve(3), network.row_shape or (4,)).output_shape[-1] == 3


def test_the_longest_mlp_is_a_network() -> None:
    network = MlpSpec(hidden=[1] * 100, dropout=0.5).build()
    assert len(network.layers) == 301


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden": []},
        {"hidden": [0]},
        {"hidden": [1] * 101},
        {"activation": "dense"},
        {"activation": "softer"},
        {"dropout": 1},
        {"layers": 2},
    ],
)
def test_bounds(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnyTemplate).validate_python({"kind": "mlp"} | wrong)
