"""Layers made of layers: one after the other, around a shortcut, side by side."""

from engine.layers.combinators.base import MOST_VALUES, Combinator, CombinatorSpec, build_chain
from engine.layers.combinators.parallel import (
    AddedBranches,
    ConcatenatedBranches,
    Parallel,
    ParallelSpec,
)
from engine.layers.combinators.residual import Residual, ResidualSpec
from engine.layers.combinators.sequential import Sequential, SequentialSpec

__all__ = [
    "MOST_VALUES",
    "AddedBranches",
    "Combinator",
    "CombinatorSpec",
    "ConcatenatedBranches",
    "Parallel",
    "ParallelSpec",
    "Residual",
    "ResidualSpec",
    "Sequential",
    "SequentialSpec",
    "build_chain",
]
