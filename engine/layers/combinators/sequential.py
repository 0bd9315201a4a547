"""Layers one after the other."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer
from engine.layers.base import Layer, LayerSpec, started
from engine.layers.combinators.base import Combinator, CombinatorSpec, build_chain
from engine.spec import InvalidSpec

if TYPE_CHECKING:
    from engine.layers import AnyLayer  # at run time the list of layers rebuilds the specs of this file


class SequentialSpec(CombinatorSpec):
    """Several layers as one: each takes what the one before it makes."""

    formula: ClassVar[str] = r"y = (f_n \circ \dots \circ f_1)(x)"
    source: ClassVar[str] = (
        "Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors"
    )

    kind: Literal["sequential"] = "sequential"
    layers: tuple["AnyLayer", ...] = Field(
        min_length=1, max_length=1000, description="The layers, first to last."
    )

    @property
    def chains(self) -> tuple[tuple[LayerSpec, ...], ...]:
        """The one chain."""
        return (self.layers,)

    def started(self, start: AnyInitializer) -> "SequentialSpec":
        """With the starts filled in."""
        return self.model_copy(update={"layers": started(self.layers, start)})

    def build(self, in_shape: Shape) -> "Sequential":
        """Build for what the first layer takes."""
        return chained(self.layers, in_shape, "layers")


class Sequential(Combinator):
    """y = f_n(... f_1(x)); of no layer at all, y = x."""

    def __init__(self, layers: Sequence[Layer], in_shape: Shape) -> None:
        super().__init__(layers, in_shape, layers[-1].out_shape if layers else in_shape)
        self._reversed = self.layers[::-1]

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
        """Know also how many rows go through at a time."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._batch = batch

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Start the layers first to last; `x` is passed on through them, of more than a batch its first rows."""
        for layer, layer_rng in zip(self.layers, rng.spawn(len(self.layers)), strict=True):
            layer.init(layer_rng, x)
            if x is not None:
                x = layer.forward(x[: self._batch], train=False)

    def skip_input_gradient(self) -> None:
        """End `backward` at the first layer with parameters, which needs no gradient of its input either.

        Without such a layer `backward` has nothing to do.
        """
        self.input_gradient = False
        self._reversed = []
        for i, layer in enumerate(self.layers):
            layer.skip_input_gradient()
            if layer.param_shapes:
                self._reversed = self.layers[i:][::-1]
                break

    def forward(self, x: Array, train: bool) -> Array:
        """x = f_i(x) for each layer i."""
        for layer in self.layers:
            x = layer.forward(x, train)
        return x

    def backward(self, dy: Array) -> Array:
        """The chain rule: dC/dx_i = f_i'(x_i)^T dC/dx_(i+1), last layer first."""
        for layer in self._reversed:
            dy = layer.backward(dy)
        return dy


def chained(layers: Sequence[LayerSpec], in_shape: Shape, *path: str | int) -> "Sequential":
    """Build a chain as one layer; `InvalidSpec` names the place in it, after `path`."""
    try:
        return Sequential(build_chain(layers, in_shape), in_shape)
    except InvalidSpec as error:
        raise error.under(*path) from None
