"""realmlp and tabm: the layers they stand for, their sizes, and that they learn a table."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_breast_cancer

from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.activations.learned import ParametricActivationSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.tabular.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.tabular.member_dense import MemberDenseSpec
from engine.layers.tabular.numerical_embedding import PbldSpec
from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.layers.tabular.scaling import ScalingSpec
from engine.model import Model
from engine.network import Network
from engine.summary import summarize
from engine.templates.base import TemplateSpec
from engine.templates.tabular import RealmlpSpec, TabmSpec
from engine.training import TrainingSpec


def test_realmlp_by_default():
    block = (
        DenseSpec(units=256, parametrization="ntp", start="data"),
        ParametricActivationSpec(activation="selu"),
        DropoutSpec(rate=0.15),
    )
    last = DenseSpec(parametrization="ntp", start="data")
    assert RealmlpSpec().build().layers == (PbldSpec(), ScalingSpec(), *block, *block, *block, last)


def test_realmlp_as_asked_for():
    layers = RealmlpSpec(hidden=[5, 4], activation="mish", dropout=0, embedding=False).build().layers
    dense, activation = "dense", "parametric_activation"
    assert [layer.kind for layer in layers] == ["scaling", dense, activation, dense, activation, dense]
    assert layers[2] == ParametricActivationSpec(activation="mish")


def test_tabm_by_default():
    relu, dropout = ReluSpec(), DropoutSpec(rate=0.1)
    first = BatchEnsembleDenseSpec(units=512, members=32, r_start="signs")
    other = BatchEnsembleDenseSpec(units=512, members=32)
    assert TabmSpec().build().layers == (
        PiecewiseLinearEmbeddingSpec(units=16, bins=48),
        *(first, relu, dropout),
        *(other, relu, dropout),
        *(other, relu, dropout),
        MemberDenseSpec(),
    )


def test_tabm_as_asked_for():
    layers = TabmSpec(members=3, hidden=[5], dropout=0, bins=2, embedding=4).build().layers
    assert layers == (
        PiecewiseLinearEmbeddingSpec(units=4, bins=2),
        BatchEnsembleDenseSpec(units=5, members=3, r_start="signs"),
        ReluSpec(),
        MemberDenseSpec(),
    )


def test_parameters():
    """Counted by hand for 10 inputs and 3 classes."""
    realmlp = summarize(RealmlpSpec().build().resolve(3), (10,))
    assert realmlp.output_shape == [3]
    pbld = 10 * (16 + 16 + 16 * 3 + 3)
    dense = 41 * 256 + 2 * 257 * 256 + 257 * 3
    assert realmlp.parameters == pbld + 40 + dense + 3 * 256
    tabm = summarize(TabmSpec().build().resolve(3), (10,))
    assert tabm.output_shape == [32, 3]
    embedding = 10 * 16 * (2 + 48)
    shared, own = 160 * 512 + 2 * 512**2, 32 * (160 + 2 * 512 + 2 * 3 * 512)
    assert tabm.parameters == embedding + shared + own + 32 * 513 * 3


def test_realmlp_starts_normalised():
    """Every dense layer's output has deviation 1 on the rows that it started from."""
    x = np.random.default_rng(0).standard_normal((256, 6)).astype(np.float32)
    spec = RealmlpSpec(hidden=(64, 64)).build().resolve(2)
    network = Network(spec, (6,), batch=256, rng=np.random.default_rng(1))
    network.init(np.random.default_rng(2), x)
    dense = []
    for layer in network.layers:
        x = layer.forward(x, train=False)
        if "W" in layer.param_shapes:
            dense.append(x.std(axis=0))
    assert len(dense) == 3
    for deviations in dense:
        np.testing.assert_allclose(deviations, 1, rtol=1e-4)


@dataclass(frozen=True)
class Case:
    template: TemplateSpec
    learning_rate: float


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [Case(RealmlpSpec(hidden=(32, 32)), 0.02), Case(TabmSpec(members=4, hidden=(32, 32)), 0.002)],
    ids=lambda case: case.template.kind,
)
def test_they_learn_a_table(case):
    data = load_breast_cancer()
    frame = pl.DataFrame(data.data, schema=[str(name) for name in data.feature_names])
    frame = frame.with_columns(target=pl.Series(data.target))
    typed, types, _ = infer(frame)
    training = TrainingSpec(epochs=6)
    training = training.model_copy(
        update={"optimizer": training.optimizer.model_copy(update={"learning_rate": case.learning_rate})}
    )
    fitting = Fitting(Table(typed, types), GoalSpec(target="target"), case.template.build(), training)
    for _ in fitting.run():
        pass
    model = fitting.model
    assert fitting.evaluate(model).accuracy > 0.93
    assert Model.from_bytes(model.to_bytes()).answers(typed).tobytes() == model.answers(typed).tobytes()


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        (RealmlpSpec, {"hidden": []}),
        (RealmlpSpec, {"activation": "relu"}),
        (RealmlpSpec, {"dropout": 1}),
        (TabmSpec, {"members": 0}),
        (TabmSpec, {"bins": 0}),
        (TabmSpec, {"hidden": [1] * 101}),
    ],
)
def test_bounds(spec, wrong):
    with pytest.raises(ValidationError):
        spec.model_validate(wrong)
