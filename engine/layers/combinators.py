"""Layers made of layers: one after the other, around a shortcut, side by side."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer
from engine.layers.base import Layer, LayerSpec, started
from engine.spec import InvalidSpec

if TYPE_CHECKING:
    from engine.layers import AnyLayer  # at run time the list of layers rebuilds the specs of this file

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
        try:
            return Sequential(build_chain(self.layers, in_shape), in_shape)
        except InvalidSpec as error:
            raise error.under("layers") from None


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
        body, shortcut = _build(self.layers, in_shape, "layers"), _build(self.shortcut, in_shape, "shortcut")
        if body.out_shape != shortcut.out_shape:
            raise InvalidSpec(
                f"the layers make {list(body.out_shape)} of {list(in_shape)}, the shortcut "
                f"{list(shortcut.out_shape)}: to be added they must be the same, so change the layers, or give a "
                "shortcut with layers that make what they make",
                ("shortcut",),
            )
        return Residual(body, shortcut)


def _build(layers: Sequence[LayerSpec], in_shape: Shape, *path: str | int) -> Sequential:
    try:
        return Sequential(build_chain(layers, in_shape), in_shape)
    except InvalidSpec as error:
        raise error.under(*path) from None


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
        branches = [_build(branch, in_shape, "branches", i) for i, branch in enumerate(self.branches)]
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
