"""Parts of a row that need layers of their own: numbers, flags and codes of categories in one row."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer
from engine.layers.base import LayerSpec, started
from engine.layers.combinators import Combinator, CombinatorSpec, Sequential, build_chain
from engine.spec import InvalidSpec

if TYPE_CHECKING:
    from engine.layers import AnyLayer  # at run time the list of layers rebuilds the specs of this file

Place = Annotated[int, Field(ge=0, le=10**9)]
Run = tuple[Place, Place]
"""Columns from the first number up to the second, which is not one of them."""


class ColumnsSpec(CombinatorSpec):
    """Sends parts of each row through layers of their own and puts what they make side by side.

    Columns that no branch takes are not looked at; several branches may take the same one.
    """

    formula: ClassVar[str] = r"y = [f_1(x_{C_1}), \dots, f_n(x_{C_n})]"
    source: ClassVar[str] = (
        "Cheng et al. 2016, Wide & deep learning for recommender systems, section 4.2: numbers beside embedded "
        "categories"
    )

    kind: Literal["columns"] = "columns"
    columns: tuple[Annotated[tuple[Run, ...], Field(min_length=1)], ...] = Field(
        min_length=1,
        max_length=100_000,
        description="For each branch the columns that it takes: runs [first, stop], ascending, stop not included.",
        examples=[[[[0, 4], [6, 7]], [[4, 6]]]],
    )
    branches: tuple[tuple["AnyLayer", ...], ...] = Field(
        description="The chain of layers of each branch; one without layers passes its columns on."
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if len(self.columns) != len(self.branches):
            raise ValueError(f"there are columns for {len(self.columns)} branches, not {len(self.branches)}")
        for runs in self.columns:
            ends = [end for run in runs for end in run]
            if any(first >= stop for first, stop in runs) or any(a > b for a, b in pairwise(ends)):
                raise ValueError(f"a branch's runs must ascend and hold columns, but are {list(runs)}")
        return self

    @property
    def chains(self) -> tuple[tuple[LayerSpec, ...], ...]:
        """The branches."""
        return self.branches

    def started(self, start: AnyInitializer) -> "ColumnsSpec":
        """With the starts filled in."""
        return self.model_copy(update={"branches": tuple(started(branch, start) for branch in self.branches)})

    def build(self, in_shape: Shape) -> "Columns":
        """Build the branches; raises `InvalidSpec` for rows of several axes, here or after a branch."""
        if len(in_shape) != 1:
            raise InvalidSpec(f"columns takes rows of one axis, but {list(in_shape)} comes in")
        branches = []
        for i, (runs, layers) in enumerate(zip(self.columns, self.branches, strict=True)):
            if runs[-1][1] > in_shape[0]:
                raise InvalidSpec(
                    f"a row has {in_shape[0]} columns, so that a run cannot stop at {runs[-1][1]}",
                    ("columns", i, len(runs) - 1, 1),
                )
            taken = (sum(stop - first for first, stop in runs),)
            try:
                branch = Sequential(build_chain(layers, taken), taken)
            except InvalidSpec as error:
                raise error.under("branches", i) from None
            if len(branch.out_shape) != 1:
                raise InvalidSpec(
                    f"this branch makes {list(branch.out_shape)}: end it with a flatten layer",
                    ("branches", i),
                )
            branches.append(branch)
        return Columns(branches, self.columns, in_shape)


class _Run:
    """Where a run of columns lies in the row, and in the branch's part of it."""

    def __init__(self, run: Run, offset: int) -> None:
        first, stop = run
        self.outside, self.inside = slice(first, stop), slice(offset, offset + stop - first)


class Columns(Combinator):
    """y = [f_1(x_C1), ..., f_n(x_Cn)]."""

    def __init__(
        self, branches: Sequence[Sequential], columns: Sequence[Sequence[Run]], in_shape: Shape
    ) -> None:
        ends = list(accumulate(branch.out_shape[0] for branch in branches))
        super().__init__(branches, in_shape, (ends[-1],))
        self._parts = [slice(end - b.out_shape[0], end) for b, end in zip(branches, ends, strict=True)]
        self._runs = [_placed(runs) for runs in columns]

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
        """Allocate also y, dx, a branch's part of dx, and for each branch its columns and its dy."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._spread = np.empty_like(self._dx)
        self._xs = [np.empty((batch, *branch.in_shape), dtype) for branch in self.layers]
        self._dys = [np.empty((batch, *branch.out_shape), dtype) for branch in self.layers]

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Start each branch from its columns of `x`."""
        for i, (branch, branch_rng) in enumerate(zip(self.layers, rng.spawn(len(self.layers)), strict=True)):
            part = None
            if x is not None:
                part = np.empty((len(x), *branch.in_shape), x.dtype)
                self._take(i, x, part)
            branch.init(branch_rng, part)

    def _take(self, i: int, x: Array, out: Array) -> None:
        """Fill `out` with the columns of branch i."""
        for run in self._runs[i]:
            out[:, run.inside] = x[:, run.outside]

    def forward(self, x: Array, train: bool) -> Array:
        """y_part_i = f_i(x_Ci)."""
        y = self._y[: len(x)]
        for i, branch in enumerate(self.layers):
            part = self._xs[i][: len(x)]
            self._take(i, x, part)
            y[:, self._parts[i]] = branch.forward(part, train)
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx_c = the sum of f_i'(x_Ci)^T dC/df_i over the branches that take column c."""
        dx = self._dx[: len(dy)]
        if self.input_gradient:
            dx.fill(0)
        for i, branch in enumerate(self.layers):
            branch_dy = self._dys[i][: len(dy)]
            np.copyto(branch_dy, dy[:, self._parts[i]])
            branch_dx = branch.backward(branch_dy)
            if self.input_gradient:
                spread = self._spread[: len(dy)]
                spread.fill(0)
                for run in self._runs[i]:
                    spread[:, run.outside] = branch_dx[:, run.inside]
                dx += spread
        return dx

    def buffer_values(self) -> int:
        """The branches', y, dx and its part, and each branch's columns and dy."""
        own = sum(size(branch.in_shape) + size(branch.out_shape) for branch in self.layers)
        return super().buffer_values() + size(self.out_shape) + 2 * size(self.in_shape) + own


def _placed(runs: Sequence[Run]) -> list[_Run]:
    offsets = accumulate((stop - first for first, stop in runs), initial=0)
    return [_Run(run, offset) for run, offset in zip(runs, offsets, strict=False)]
