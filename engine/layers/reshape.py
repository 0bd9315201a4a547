"""Rows in another shape, or with their axes in another order."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec

ReshapedSide = Annotated[int, Field(ge=-1, le=2**31 - 1)]
AxisNumber = Annotated[int, Field(ge=1, le=8)]


class ReshapeSpec(LayerSpec):
    """Gives the numbers of a row another shape, in the same order, the last axis fastest."""

    formula: ClassVar[str] = r"y_{j_1 \dots j_m} = x_{i_1 \dots i_n} \text{ at the same place of the list}"

    kind: Literal["reshape"] = "reshape"
    shape: tuple[ReshapedSide, ...] = Field(
        min_length=1, max_length=8, description="The new shape; one side may be -1: whatever is left for it."
    )

    def build(self, in_shape: Shape) -> "Reshape":
        """Build for rows of as many numbers as the new shape has; raises `InvalidSpec` for others."""
        known = [side for side in self.shape if side != -1]
        if 0 in known or len(known) < len(self.shape) - 1:
            raise InvalidSpec(
                f"{list(self.shape)} is no shape: every side is 1 or more, and at most one is -1", ("shape",)
            )
        missing = size(in_shape) // size(tuple(known))
        out_shape = tuple(missing if side == -1 else side for side in self.shape)
        if size(out_shape) != size(in_shape):
            raise InvalidSpec(
                f"rows of {list(in_shape)} hold {size(in_shape)} numbers, which do not fill {list(self.shape)}; "
                "one side may be -1: whatever is left for it",
                ("shape",),
            )
        return Reshape(in_shape, out_shape)


class Reshape(Layer):
    """y is x under another shape: no copy."""

    def forward(self, x: Array, train: bool) -> Array:
        """The same numbers as (rows, *out_shape)."""
        return x.reshape(len(x), *self.out_shape)

    def backward(self, dy: Array) -> Array:
        """The same numbers as (rows, *in_shape)."""
        return dy.reshape(len(dy), *self.in_shape)

    def buffer_values(self) -> int:
        """None of its own."""
        return 0


class PermuteSpec(LayerSpec):
    """Puts the axes of a row in another order, such as channels first into channels last."""

    formula: ClassVar[str] = r"y_{i_{a_1} \dots i_{a_n}} = x_{i_1 \dots i_n}"

    kind: Literal["permute"] = "permute"
    axes: tuple[AxisNumber, ...] = Field(
        min_length=1,
        max_length=8,
        description="The axes of x in their new order, counted from 1: [2, 3, 1] puts the first one last.",
    )

    def build(self, in_shape: Shape) -> "Permute":
        """Build for rows of as many axes as there are in `axes`; raises `InvalidSpec` for others."""
        if sorted(self.axes) != list(range(1, len(in_shape) + 1)):
            raise InvalidSpec(
                f"{list(self.axes)} must name each axis of {list(in_shape)} once, counted from 1", ("axes",)
            )
        return Permute(in_shape, self.axes)


class Permute(Layer):
    """y is a copy of x with its axes in another order."""

    def __init__(self, in_shape: Shape, axes: Shape) -> None:
        super().__init__(in_shape, tuple(in_shape[axis - 1] for axis in axes))
        self._there = (0, *axes)
        self._back = tuple(self._there.index(axis) for axis in range(len(self._there)))

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
        """Allocate y and dx."""
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """The axes in their new order."""
        y = self._y[: len(x)]
        np.copyto(y, x.transpose(self._there))
        return y

    def backward(self, dy: Array) -> Array:
        """The axes in their old order."""
        dx = self._dx[: len(dy)]
        if self.input_gradient:
            np.copyto(dx, dy.transpose(self._back))
        return dx
