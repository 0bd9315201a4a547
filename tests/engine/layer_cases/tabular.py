"""What tables need: scaling, embeddings of numerical features, members."""

from engine.initializers import NormalSpec
from engine.layers.activations.base import TanhSpec
from engine.layers.dense import DenseSpec
from engine.layers.tabular.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.tabular.columns import ColumnsSpec
from engine.layers.tabular.member_dense import MemberDenseSpec
from engine.layers.tabular.numerical_embedding import PbldSpec, PlrSpec
from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.layers.tabular.scaling import ScalingSpec
from layer_cases import LayerCase

EDGES = (-1.01, -0.42, 0.013, 0.81)

CASES = [
    LayerCase(DenseSpec(units=3, parametrization="ntp")),
    LayerCase(DenseSpec(units=3, parametrization="ntp", bias=False)),
    LayerCase(DenseSpec(units=3, start="data")),
    LayerCase(ScalingSpec()),
    LayerCase(ScalingSpec(), (2, 3)),
    LayerCase(PbldSpec(frequencies=3, units=2), (3,)),
    LayerCase(PbldSpec(frequencies=1, units=1), (1,)),
    LayerCase(PlrSpec(frequencies=2, units=3), (3,)),
    LayerCase(PlrSpec(frequencies=1, units=1), (1,)),
    LayerCase(PiecewiseLinearEmbeddingSpec(units=2, edges=EDGES), (3,)),
    LayerCase(PiecewiseLinearEmbeddingSpec(units=1, edges=EDGES[:2]), (1,)),
    LayerCase(PiecewiseLinearEmbeddingSpec(units=3, bins=4), (2,)),
    LayerCase(BatchEnsembleDenseSpec(units=3, members=2), (4,)),
    LayerCase(BatchEnsembleDenseSpec(units=2, members=3, bias=False), (4,)),
    LayerCase(BatchEnsembleDenseSpec(units=3, r_start="signs"), (2, 4)),
    LayerCase(BatchEnsembleDenseSpec(units=1, weight_initializer=NormalSpec(std=1.0)), (1, 1)),
    LayerCase(MemberDenseSpec(units=3), (2, 4)),
    LayerCase(
        ColumnsSpec(
            columns=(((0, 2), (3, 4)), ((1, 3),)),  # column 1 twice, column 4 not at all
            branches=((TanhSpec(), DenseSpec(units=2)), (TanhSpec(),)),
        ),
        (5,),
    ),
    LayerCase(ColumnsSpec(columns=(((2, 3),), ((0, 2),)), branches=((), (DenseSpec(units=3),))), (3,)),
    LayerCase(MemberDenseSpec(units=1, bias=False), (3, 2)),
]
