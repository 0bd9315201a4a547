"""A network: a chain of layers over one flat vector of parameters, one of gradients, one of state."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape, size, zeros
from engine.checkpoint import Checkpoint, CheckpointMismatch
from engine.differences import first_difference
from engine.layers import AnyLayer, Layer, LayerSpec
from engine.layers.base import started
from engine.layers.combinators import Sequential, build_chain
from engine.layers.dense import UnitsSpec
from engine.layers.reshape import ReshapeSpec
from engine.spec import InvalidSpec, Spec


class NetworkSpec(Spec):
    """A network as a list of layers, first to last."""

    layers: tuple[AnyLayer, ...] = Field(
        min_length=1, max_length=1000, description="The layers, first to last."
    )
    input_shape: tuple[PositiveInt, ...] | None = Field(
        None,
        max_length=8,
        description="Shape of one row; left out, the data decides. Images of another size are brought to it.",
    )

    @property
    def row_shape(self) -> Shape | None:
        """The shape of one row where the network says it: `input_shape`, or what a first reshape makes of it."""
        first = self.layers[0]
        if self.input_shape is None and isinstance(first, ReshapeSpec) and min(first.shape) > 0:
            return first.shape
        return self.input_shape

    @property
    def image_shape(self) -> Shape | None:
        """The same where it is that of an image: height, width, and 1 or 3 channels."""
        shape = self.row_shape
        return shape if shape is not None and len(shape) == 3 and shape[-1] in (1, 3) else None

    def resolve(self, outputs: int) -> "NetworkSpec":
        """Fill in what may be left out: the last dense layer's units and every dense layer's start."""
        layers: list[LayerSpec] = list(self.layers)
        for i, layer in reversed(list(enumerate(layers))):
            if isinstance(layer, UnitsSpec):
                layers[i] = layer.model_copy(update={"units": layer.units or outputs})
                break
        return self.model_copy(update={"layers": started(layers)})

    def build(self, in_shape: Shape) -> list[Layer]:
        """Build every layer for rows of `in_shape`; allocates nothing.

        Raises `InvalidSpec` with the path of the layer that cannot take what comes in.
        """
        if self.input_shape is not None and self.input_shape != in_shape:
            flat = len(in_shape) == 1 and size(in_shape) == size(self.input_shape)
            raise InvalidSpec(
                f"the network is made for rows of shape {list(self.input_shape)}, "
                f"but the data has rows of shape {list(in_shape)}: leave this out"
                + (", and begin with a reshape layer" if flat else ""),
                ("input_shape",),
            )
        try:
            return build_chain(self.layers, in_shape)
        except InvalidSpec as error:
            raise error.under("layers") from None


@dataclass(frozen=True)
class Segment:
    """A named run of the flat parameter vector."""

    name: str  # "<layer's index>.<parameter's name>", with more indices for layers within layers
    slice: slice
    shape: Shape
    rate: float = 1.0  # factor on the learning rate
    decay: bool = True  # whether weight decay and penalties apply
    decay_factor: float = 1.0  # on weight decay


class Network:
    """A built network that owns `theta`, `grad` and `state`; its layers hold views of them.

    Single-threaded, since it owns its workspaces. Takes 1..batch rows at a time.
    """

    theta: Array  # all parameters, (parameters,)
    grad: Array  # dC/dtheta of the last backward, (parameters,)
    state: Array  # what layers keep between batches without a gradient, (states,)
    segments: list[Segment]

    def __init__(
        self,
        spec: NetworkSpec,
        in_shape: Shape,
        *,
        batch: int,
        rng: np.random.Generator,
        dtype: type[np.floating] = np.float32,
        input_gradient: bool = False,
        weights: tuple[Array, Array] | None = None,
    ) -> None:
        """Build `spec` (resolved) for rows of `in_shape` and allocate for up to `batch` rows.

        Parameters start at zero until `init`. `rng` draws what layers need while training.
        `input_gradient`: whether `backward` computes the gradient of the network's input as well.
        `weights`: theta and state, which are then not copied and may be read-only, for a network that only answers.
        Raises `InvalidSpec` as `NetworkSpec.build` does.
        """
        self.spec = spec
        self._chain = Sequential(spec.build(in_shape), in_shape)
        self.layers = self._chain.layers
        self.in_shape, self.out_shape = in_shape, self._chain.out_shape
        self.batch = batch
        self.dtype: np.dtype[np.floating] = np.dtype(dtype)
        parameters, states = self._chain.param_shapes, self._chain.state_shapes
        if weights is None:
            weights = zeros(_total(parameters), dtype), zeros(_total(states), dtype)
        self.theta, self.state = weights
        self.grad = zeros(_total(parameters), dtype)  # memory that is not used until it is written
        self.segments = [
            Segment(name, part, parameters[name], decay=name in self._chain.decayed)
            for name, part in _parts(parameters)
        ]
        if not input_gradient:
            self._chain.skip_input_gradient()
        self._chain.bind(
            _views(self.theta, parameters),
            _views(self.grad, parameters),
            _views(self.state, states),
            batch=batch,
            dtype=self.dtype,
            rng=rng,
        )

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw all parameters, first layer to last.

        `x` (rows, *in_shape) is passed on through the layers, for data-driven starts; where there are more rows
        than a batch, the first layer starts from all of them and the others from the first ones.
        """
        self._chain.init(rng, x)

    def scale_dropout(self, factor: float) -> None:
        """From now on drop with `factor` times the rates that the layers' specs say."""
        self._chain.scale_dropout(factor)

    def checkpoint(self) -> Checkpoint:
        """Parameters, state, and how far each layer's generator has drawn."""
        return Checkpoint(
            {"theta": self.theta, "state": self.state},
            {
                "spec": self.spec.model_dump(mode="json"),
                "in_shape": list(self.in_shape),
                "generators": [draw.bit_generator.state for draw in self._chain.generators()],
            },
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Take all of it back; raises `CheckpointMismatch` for that of another network."""
        facts = checkpoint.facts
        other = {"spec": facts["spec"], "in_shape": facts["in_shape"]}
        mine = {"spec": self.spec.model_dump(mode="json"), "in_shape": list(self.in_shape)}
        if difference := first_difference(other, mine):
            raise CheckpointMismatch(f"the checkpoint is of another network: there {difference}")
        checkpoint.fill(theta=self.theta, state=self.state)
        for generator, state in zip(self._chain.generators(), facts["generators"], strict=True):
            generator.bit_generator.state = state

    def forward(self, x: Array, train: bool = False) -> Array:
        """Map x (rows, *in_shape) to the outputs (rows, *out_shape), valid until the next call."""
        return self._chain.forward(x, train)

    def backward(self, d_output: Array) -> Array:
        """Map dC/d(output) to dC/d(input) and overwrite `grad`; `d_output` may be modified.

        Without `input_gradient` what is returned means nothing.
        """
        return self._chain.backward(d_output)


def _total(shapes: Mapping[str, Shape]) -> int:
    return sum(map(size, shapes.values()))


def _parts(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, slice]]:
    """Where each of the arrays lies in one flat vector."""
    start = 0
    for name, shape in shapes.items():
        yield name, slice(start, start + size(shape))
        start += size(shape)


def _views(vector: Array, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    return {name: vector[part].reshape(shapes[name]) for name, part in _parts(shapes)}
