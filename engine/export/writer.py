"""A network with its weights -> a graph: the walk over the layers; the rules are in engine/export/layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.arrays import Array, Shape, size
from engine.export.errors import NotExportable
from engine.export.graph import Graph
from engine.layers import Layer, LayerSpec

Rule = Callable[["Writer", Any, Layer, str], str]
"""Adds a layer, given by its spec and built, to the writer's graph: the name of its input -> that of its output."""


class Writer:
    """Goes through a network's layers in their order, which is that of their weights in `theta` and `state`."""

    def __init__(
        self, graph: Graph, rules: Mapping[type[LayerSpec], Rule], theta: Array, state: Array
    ) -> None:
        self.graph = graph
        self._rules = rules
        self._theta, self._state = theta.astype(np.float32), state.astype(np.float32)

    def chain(self, specs: Sequence[LayerSpec], in_shape: Shape, x: str) -> str:
        """Add layers one after the other; raises `NotExportable` for one that no rule knows."""
        for spec in specs:
            layer = spec.build(in_shape)
            x = self.layer(spec, layer, x)
            in_shape = layer.out_shape
        return x

    def layer(self, spec: LayerSpec, layer: Layer, x: str) -> str:
        """Add one layer."""
        rule = self._rules.get(type(spec))
        if rule is None:
            raise NotExportable(f"the layer {spec.kind} has no export yet")
        return rule(self, spec, layer, x)

    def weights(self, layer: Layer) -> dict[str, Array]:
        """The parameters of the layer, whose turn it is."""
        values, self._theta = take(layer.param_shapes, self._theta)
        return values

    def states(self, layer: Layer) -> dict[str, Array]:
        """What it keeps besides."""
        values, self._state = take(layer.state_shapes, self._state)
        return values

    @property
    def finished(self) -> bool:
        """Whether every weight has been taken."""
        return not self._theta.size and not self._state.size


def take(shapes: Mapping[str, Shape], vector: Array) -> tuple[dict[str, Array], Array]:
    """The first numbers of a vector as arrays of these shapes, and the rest of it."""
    values = {}
    for name, shape in shapes.items():
        values[name], vector = vector[: size(shape)].reshape(shape), vector[size(shape) :]
    return values, vector
