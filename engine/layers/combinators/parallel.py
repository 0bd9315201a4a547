"""Layers side by side."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
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


class ParallelSpec(CombinatorSpec):
    """Sends the same input through several chains of layers and merges what they make of it."""

    formula: ClassVar[str] = (
        r"y = \sum_i f_i(x), \quad y = [f_1(x), \dots, f_n(x)] \quad \text{or} \quad y = \prod_i f_i(x)"
    )
    source: ClassVar[str] = "Szegedy et al. 2015, Going deeper with convolutions, section 4"

    kind: Literal["parallel"] = "parallel"
    branches: tuple[tuple["AnyLayer", ...], ...] = Field(
        min_length=1,
        max_length=1000,
        description="The chains of layers; one without layers passes the input on.",
    )
    merge: Literal["add", "concatenate", "multiply"] = Field(
        "concatenate", description="How the outputs become one; concatenate: along the last axis."
    )

    @property
    def chains(self) -> tuple[tuple[LayerSpec, ...], ...]:
        """The branches."""
        return self.branches

    def started(self, start: AnyInitializer) -> "ParallelSpec":
        """With the starts filled in."""
        return self.model_copy(update={"branches": tuple(started(branch, start) for branch in self.branches)})

    def build(self, in_shape: Shape) -> "Parallel":
        """Build the branches; raises `InvalidSpec` where their outputs cannot be merged."""
        branches = [chained(branch, in_shape, "branches", i) for i, branch in enumerate(self.branches)]
        first = branches[0].out_shape
        for i, branch in enumerate(branches):
            shape = branch.out_shape
            if self.merge == "concatenate" and not (shape and shape[:-1] == first[:-1]):
                raise InvalidSpec(
                    f"this branch makes {list(shape)}, the first one {list(first)}: to be concatenated along "
                    "the last axis, all other axes must be the same",
                    ("branches", i),
                )
            if self.merge != "concatenate" and shape != first:
                raise InvalidSpec(
                    f"this branch makes {list(shape)}, the first one {list(first)}: to {self.merge} them, "
                    "both must be the same",
                    ("branches", i),
                )
        return _MERGED[self.merge](branches)


class Parallel(Combinator):
    """Branches from one x; the subclass merges them and gives each branch a dy of its own."""

    def __init__(self, branches: Sequence[Sequential], out_shape: Shape | None = None) -> None:
        super().__init__(branches, branches[0].in_shape, out_shape or branches[0].out_shape)

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
        """Allocate also y, dx, and a dy for each branch."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._dys = [np.empty((batch, *branch.out_shape), dtype) for branch in self.layers]

    def backward(self, dy: Array) -> Array:
        """dC/dx = sum_i f_i'(x)^T dC/df_i."""
        dx = self._dx[: len(dy)]
        for i, branch in enumerate(self.layers):
            branch_dy = self._dys[i][: len(dy)]
            self.slope(i, dy, branch_dy)
            branch_dx = branch.backward(branch_dy)
            if not self.input_gradient:
                continue
            if i == 0:
                np.copyto(dx, branch_dx)
            else:
                dx += branch_dx
        return dx

    def slope(self, i: int, dy: Array, out: Array) -> None:
        """Fill `out` with dC/df_i."""
        raise NotImplementedError

    def buffer_values(self) -> int:
        """The branches', y, dx and their dy."""
        dys = sum(size(branch.out_shape) for branch in self.layers)
        return super().buffer_values() + size(self.out_shape) + size(self.in_shape) + dys


class AddedBranches(Parallel):
    """y = sum_i f_i(x)."""

    def forward(self, x: Array, train: bool) -> Array:
        """y = sum_i f_i(x)."""
        y = self._y[: len(x)]
        np.copyto(y, self.layers[0].forward(x, train))
        for branch in self.layers[1:]:
            y += branch.forward(x, train)
        return y

    def slope(self, i: int, dy: Array, out: Array) -> None:
        """dC/df_i = dC/dy."""
        np.copyto(out, dy)


class ConcatenatedBranches(Parallel):
    """y = [f_1(x), ..., f_n(x)] along the last axis."""

    def __init__(self, branches: Sequence[Sequential]) -> None:
        ends = list(accumulate(branch.out_shape[-1] for branch in branches))  # whole numbers without bound
        super().__init__(branches, (*branches[0].out_shape[:-1], ends[-1]))
        self._parts = [
            slice(end - branch.out_shape[-1], end) for branch, end in zip(branches, ends, strict=True)
        ]

    def forward(self, x: Array, train: bool) -> Array:
        """y[..., part_i] = f_i(x)."""
        y = self._y[: len(x)]
        for part, branch in zip(self._parts, self.layers, strict=True):
            y[..., part] = branch.forward(x, train)
        return y

    def slope(self, i: int, dy: Array, out: Array) -> None:
        """dC/df_i = dC/dy[..., part_i]."""
        np.copyto(out, dy[..., self._parts[i]])


class MultipliedBranches(Parallel):
    """y = prod_i f_i(x)."""

    def forward(self, x: Array, train: bool) -> Array:
        """y = prod_i f_i(x)."""
        y = self._y[: len(x)]
        self._outputs = [branch.forward(x, train) for branch in self.layers]
        np.copyto(y, self._outputs[0])
        for output in self._outputs[1:]:
            y *= output
        return y

    def slope(self, i: int, dy: Array, out: Array) -> None:
        """dC/df_i = dC/dy prod_(j != i) f_j(x): as a product, since f_i may be 0."""
        np.copyto(out, dy)
        for j, output in enumerate(self._outputs):
            if j != i:
                out *= output


_MERGED: dict[str, Callable[[Sequence[Sequential]], Parallel]] = {
    "add": AddedBranches,
    "concatenate": ConcatenatedBranches,
    "multiply": MultipliedBranches,
}
