"""Maxout."""

from engine.layers.maxout import MaxoutSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(MaxoutSpec(units=3)),
    LayerCase(MaxoutSpec(units=2, pieces=5)),
    LayerCase(MaxoutSpec(units=3, pieces=1), (2,)),
]
