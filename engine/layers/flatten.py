"""Flatten: the axes of a row become one."""

from typing import ClassVar, Literal

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec


class FlattenSpec(LayerSpec):
    """Lays out a row of any shape, such as an image, as one list of numbers, the last axis fastest."""

    formula: ClassVar[str] = r"y_{(i_1 n_2 + i_2) n_3 + \dots} = x_{i_1 i_2 i_3 \dots}"

    kind: Literal["flatten"] = "flatten"

    def build(self, in_shape: Shape) -> "Flatten":
        """Build for rows of any shape."""
        return Flatten(in_shape, (size(in_shape),))


class Flatten(Layer):
    """y is x under another shape: no copy."""

    def forward(self, x: Array, train: bool) -> Array:
        """The same numbers as (rows, values)."""
        return x.reshape(len(x), *self.out_shape)

    def backward(self, dy: Array) -> Array:
        """The same numbers as (rows, *in_shape)."""
        return dy.reshape(len(dy), *self.in_shape)

    def buffer_values(self) -> int:
        """None of its own."""
        return 0
