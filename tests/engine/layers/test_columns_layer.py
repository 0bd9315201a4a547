"""The layer that parts rows by columns."""

import numpy as np
import pytest
from pydantic import ValidationError

from engine.layers.activations.base import TanhSpec
from engine.layers.dense import DenseSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.tabular.columns import ColumnsSpec
from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.network import Network, NetworkSpec
from engine.spec import InvalidSpec


def network(*layers, width=5, batch=4) -> Network:
    spec = NetworkSpec(layers=layers).resolve(2)
    made = Network(spec, (width,), batch=batch, rng=np.random.default_rng(0), dtype=np.float64)
    made.init(np.random.default_rng(1), np.random.default_rng(2).standard_normal((100, width)))
    return made


def test_each_part_goes_its_own_way():
    spec = ColumnsSpec(
        columns=(((0, 2), (4, 5)), ((2, 3),), ((3, 4),)),
        branches=((TanhSpec(),), (), (EmbeddingSpec(size=3, dimension=2), FlattenSpec())),
    )
    made = network(spec)
    x = np.array([[0.5, -1.0, 7.0, 2.0, 3.0], [1.0, 2.0, 3.0, 9.0, 4.0]])
    table = made.theta.reshape(3, 2)
    expected = np.column_stack(
        [np.tanh(x[:, [0, 1, 4]]), x[:, 2], table[[2, 0]]]
    )  # 9 is no code: the unknown
    np.testing.assert_allclose(made.forward(x), expected)


def test_a_start_from_data_sees_all_rows_of_its_columns():
    """48 bins want more rows than a batch has."""
    spec = ColumnsSpec(columns=(((1, 3),),), branches=((PiecewiseLinearEmbeddingSpec(units=2, bins=10),),))
    made = network(spec, width=3)
    x = np.random.default_rng(2).standard_normal((100, 3))
    edges = made.state.reshape(2, 11)
    np.testing.assert_allclose(edges, np.quantile(x[:, 1:], np.linspace(0, 1, 11), axis=0).T)


@pytest.mark.parametrize(
    ("columns", "branches"),
    [
        ([[[0, 1]]], [[], []]),
        ([[[1, 1]]], [[]]),
        ([[[0, 2], [1, 3]]], [[]]),
        ([[]], [[]]),
        ([[[-1, 2]]], [[]]),
    ],
    ids=["one branch without columns", "empty run", "overlap", "no run", "negative"],
)
def test_runs_that_make_no_sense(columns, branches):
    with pytest.raises(ValidationError):
        ColumnsSpec.model_validate({"columns": columns, "branches": branches})


@pytest.mark.parametrize(
    ("spec", "shape", "path"),
    [
        (ColumnsSpec(columns=(((0, 6),),), branches=((),)), (5,), ("columns", 0, 0, 1)),
        (ColumnsSpec(columns=(((0, 1),),), branches=((),)), (2, 2), ()),
        (
            ColumnsSpec(columns=(((0, 1),),), branches=((EmbeddingSpec(size=3, dimension=2),),)),
            (5,),
            ("branches", 0),
        ),
        (ColumnsSpec(columns=(((0, 1),),), branches=((DenseSpec(),),)), (5,), ("branches", 0, 0, "units")),
    ],
)
def test_what_cannot_be_built_names_the_place(spec, shape, path):
    with pytest.raises(InvalidSpec) as caught:
        spec.build(shape)
    assert caught.value.path == path
