"""Layers made of layers."""

from engine.layers.activations.base import TanhSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.combinators import ParallelSpec, ResidualSpec, SequentialSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from layer_cases import LayerCase

BRANCHES = ((DenseSpec(units=3), TanhSpec()), (DenseSpec(units=3),), (TanhSpec(), DenseSpec(units=3)))

CASES = [
    LayerCase(SequentialSpec(layers=(DenseSpec(units=3), TanhSpec(), DenseSpec(units=2)))),
    LayerCase(ResidualSpec(layers=(DenseSpec(units=4), TanhSpec()))),
    LayerCase(ResidualSpec(layers=(TanhSpec(),), shortcut=(DropoutSpec(rate=0.3),))),
    LayerCase(ResidualSpec(layers=(DenseSpec(units=3), TanhSpec()), shortcut=(DenseSpec(units=3),))),
    LayerCase(ResidualSpec(layers=(ResidualSpec(layers=(DenseSpec(units=4),)), ReluSpec()))),
    LayerCase(ParallelSpec(branches=BRANCHES, merge="add")),
    LayerCase(ParallelSpec(branches=(*BRANCHES, (DenseSpec(units=1),)))),
    LayerCase(ParallelSpec(branches=BRANCHES, merge="multiply")),
    LayerCase(ParallelSpec(branches=((), (DenseSpec(units=4),)), merge="multiply")),
    LayerCase(ParallelSpec(branches=((TanhSpec(),), ()), merge="concatenate"), (2, 3)),
]
