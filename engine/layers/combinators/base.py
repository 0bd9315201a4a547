"""What layers made of layers have in common: their chains, and what is passed on to each layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import model_validator

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec

DEEPEST = 16
"""Levels of layers within layers, at most."""
MOST_VALUES = 10**1000
"""Numbers that a row may have anywhere, at most: no memory holds it, and Python can still write it down."""


def build_chain(specs: Sequence[LayerSpec], in_shape: Shape) -> list[Layer]:
    """Build one layer after the other; `InvalidSpec` names the place in `specs`."""
    layers: list[Layer] = []
    for i, spec in enumerate(specs):
        try:
            layer = spec.build(layers[-1].out_shape if layers else in_shape)
        except InvalidSpec as error:
            raise error.under(i) from None
        if size(layer.out_shape) > MOST_VALUES:
            raise InvalidSpec("makes rows of more than 10^1000 numbers, which no memory holds", (i,))
        layers.append(layer)
    return layers


class CombinatorSpec(LayerSpec):
    """A spec that holds chains of specs, each chain in a field of its own or a member of one."""

    @property
    def chains(self) -> tuple[tuple[LayerSpec, ...], ...]:
        """The chains of layers."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """1, and 1 more for each level of combinators within."""
        inner = [layer.depth for chain in self.chains for layer in chain if isinstance(layer, CombinatorSpec)]
        return 1 + max(inner, default=0)

    @model_validator(mode="after")
    def _not_too_deep(self) -> Self:
        if self.depth > DEEPEST:
            raise ValueError(f"layers within layers may be {DEEPEST} levels deep")
        return self

    def start_before(self) -> AnyInitializer | None:
        """What the first layer of a chain asks for."""
        starts = (layer.start_before() for chain in self.chains for layer in chain)
        return next(filter(None, starts), None)


class Combinator(Layer):
    """A layer whose parameters and state are its layers', under the names "<index>.<name>"."""

    def __init__(self, layers: Sequence[Layer], in_shape: Shape, out_shape: Shape) -> None:
        super().__init__(in_shape, out_shape)
        self.layers = list(layers)
        self.param_shapes = {
            f"{i}.{name}": shape
            for i, layer in enumerate(layers)
            for name, shape in layer.param_shapes.items()
        }
        self.state_shapes = {
            f"{i}.{name}": shape
            for i, layer in enumerate(layers)
            for name, shape in layer.state_shapes.items()
        }
        self.decayed = frozenset(f"{i}.{name}" for i, layer in enumerate(layers) for name in layer.decayed)

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        state: Mapping[str, Array],
        *,
        batch: int,
        dtype: np.dtype[np.floating],
        rng: np.random.Generator,
    ) -> None:
        """Give every layer its own; each draws from a generator of its own."""
        self._generators = rng.spawn(len(self.layers))
        for i, (layer, layer_rng) in enumerate(zip(self.layers, self._generators, strict=True)):
            mine = (
                {name: arrays[f"{i}.{name}"] for name in shapes}
                for arrays, shapes in (
                    (params, layer.param_shapes),
                    (grads, layer.param_shapes),
                    (state, layer.state_shapes),
                )
            )
            layer.bind(*mine, batch=batch, dtype=dtype, rng=layer_rng)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Start every layer, all of them from the same `x`."""
        for layer, layer_rng in zip(self.layers, rng.spawn(len(self.layers)), strict=True):
            layer.init(layer_rng, x)

    def scale_dropout(self, factor: float) -> None:
        """In all layers."""
        for layer in self.layers:
            layer.scale_dropout(factor)

    def generators(self) -> Iterator[np.random.Generator]:
        """Each layer's own, and what is within it."""
        for layer, generator in zip(self.layers, self._generators, strict=True):
            yield generator
            yield from layer.generators()

    def skip_input_gradient(self) -> None:
        """Nobody reads the layers' input gradients either."""
        super().skip_input_gradient()
        for layer in self.layers:
            layer.skip_input_gradient()

    def multiply_adds(self) -> int:
        """All layers'."""
        return sum(layer.multiply_adds() for layer in self.layers)

    def buffer_values(self) -> int:
        """All layers'."""
        return sum(layer.buffer_values() for layer in self.layers)

    def fixed_values(self) -> int:
        """All layers'."""
        return sum(layer.fixed_values() for layer in self.layers)
