"""Layers around a shortcut."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer
from engine.layers.base import LayerSpec, started
from engine.layers.combinators.base import Combinator, CombinatorSpec
from engine.layers.combinators.sequential import Sequential, chained
from engine.spec import InvalidSpec

if TYPE_CHECKING:
    from engine.layers import AnyLayer  # at run time the list of layers rebuilds the specs of this file


class ResidualSpec(CombinatorSpec):
    """Adds what goes in to what the layers make of it, so that deep networks stay trainable."""

    formula: ClassVar[str] = r"y = F(x) + S(x), \quad S(x) = x \text{ without a shortcut}"
    source: ClassVar[str] = "He et al. 2016, Deep residual learning for image recognition, eq. 1 and 2"

    kind: Literal["residual"] = "residual"
    layers: tuple["AnyLayer", ...] = Field(
        min_length=1, max_length=1000, description="The layers of F, first to last."
    )
    shortcut: tuple["AnyLayer", ...] = Field(
        (), max_length=1000, description="The layers of S, where F changes the shape; none: S(x) = x."
    )

    @property
    def chains(self) -> tuple[tuple[LayerSpec, ...], ...]:
        """F and S."""
        return (self.layers, self.shortcut)

    def started(self, start: AnyInitializer) -> "ResidualSpec":
        """With the starts filled in."""
        update = {"layers": started(self.layers, start), "shortcut": started(self.shortcut, start)}
        return self.model_copy(update=update)

    def build(self, in_shape: Shape) -> "Residual":
        """Build F and S; raises `InvalidSpec` where their outputs differ in shape."""
        body, shortcut = (
            chained(self.layers, in_shape, "layers"),
            chained(self.shortcut, in_shape, "shortcut"),
        )
        if body.out_shape != shortcut.out_shape:
            raise InvalidSpec(
                f"the layers make {list(body.out_shape)} of {list(in_shape)}, the shortcut "
                f"{list(shortcut.out_shape)}: to be added they must be the same, so change the layers, or give a "
                "shortcut with layers that make what they make",
                ("shortcut",),
            )
        return Residual(body, shortcut)


class Residual(Combinator):
    """y = F(x) + S(x)."""

    def __init__(self, body: Sequential, shortcut: Sequential) -> None:
        super().__init__((body, shortcut), body.in_shape, body.out_shape)
        self._body, self._shortcut = body, shortcut

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
        """Allocate also y, dx, and dy once more: F and S each may modify theirs."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dy = np.empty_like(self._y)
        self._dx = np.empty((batch, *self.in_shape), dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """y = F(x) + S(x)."""
        body = self._body.forward(x, train)
        return np.add(body, self._shortcut.forward(x, train), out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """dC/dx = F'(x)^T dC/dy + S'(x)^T dC/dy."""
        copy, dx = self._dy[: len(dy)], self._dx[: len(dy)]
        np.copyto(copy, dy)
        through_body, through_shortcut = self._body.backward(copy), self._shortcut.backward(dy)
        if self.input_gradient:
            np.add(through_body, through_shortcut, out=dx)
        return dx

    def buffer_values(self) -> int:
        """Both sides', y, dy and dx."""
        return super().buffer_values() + 2 * size(self.out_shape) + size(self.in_shape)
