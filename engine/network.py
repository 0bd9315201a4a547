"""A network: a chain of layers over one flat vector of parameters, one of gradients, one of state."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape, size
from engine.initializers import GlorotUniformSpec
from engine.layers import AnyLayer, Layer, LayerSpec
from engine.layers.dense import DenseSpec
from engine.spec import InvalidSpec, Spec


class NetworkSpec(Spec):
    """A network as a list of layers, first to last."""

    layers: tuple[AnyLayer, ...] = Field(
        min_length=1, max_length=1000, description="The layers, first to last."
    )
    input_shape: tuple[PositiveInt, ...] | None = Field(
        None, max_length=8, description="Shape of one row; left out, the data decides."
    )

    def resolve(self, outputs: int) -> "NetworkSpec":
        """Fill in what may be left out: the last dense layer's units and every dense layer's start."""
        layers: list[LayerSpec] = list(self.layers)
        last = max((i for i, layer in enumerate(layers) if isinstance(layer, DenseSpec)), default=None)
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, DenseSpec):
                continue
            changes: dict[str, object] = {}
            if i == last and layer.units is None:
                changes["units"] = outputs
            if layer.weight_initializer is None:
                following = (after.initializer_before for after in layers[i + 1 :])
                changes["weight_initializer"] = next(filter(None, following), GlorotUniformSpec())
            layers[i] = layer.model_copy(update=changes)
        return self.model_copy(update={"layers": tuple(layers)})

    def build(self, in_shape: Shape) -> list[Layer]:
        """Build every layer for rows of `in_shape`; allocates nothing.

        Raises `InvalidSpec` with the path of the layer that cannot take what comes in.
        """
        if self.input_shape is not None and self.input_shape != in_shape:
            raise InvalidSpec(
                f"the network is made for rows of shape {list(self.input_shape)}, "
                f"but the data has rows of shape {list(in_shape)}",
                ("input_shape",),
            )
        layers: list[Layer] = []
        for i, spec in enumerate(self.layers):
            try:
                layers.append(spec.build(layers[-1].out_shape if layers else in_shape))
            except InvalidSpec as error:
                raise error.under("layers", i) from None
        return layers


@dataclass(frozen=True)
class Segment:
    """A named run of the flat parameter vector."""

    name: str  # "<layer's index>.<parameter's name>"
    slice: slice
    shape: Shape
    rate: float = 1.0  # factor on the learning rate
    decay: bool = True  # whether weight decay and penalties apply


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
    ) -> None:
        """Build `spec` (resolved) for rows of `in_shape` and allocate for up to `batch` rows.

        Parameters start at zero until `init`. `rng` draws what layers need while training.
        `input_gradient`: whether `backward` computes the gradient of the network's input as well.
        Raises `InvalidSpec` as `NetworkSpec.build` does.
        """
        self.spec = spec
        self.layers = spec.build(in_shape)
        self.in_shape, self.out_shape = in_shape, self.layers[-1].out_shape
        self.batch = batch
        self.dtype: np.dtype[np.floating] = np.dtype(dtype)
        self.theta = np.zeros(
            sum(size(s) for layer in self.layers for s in layer.param_shapes.values()), dtype
        )
        self.grad = np.zeros_like(self.theta)
        self.state = np.zeros(
            sum(size(s) for layer in self.layers for s in layer.state_shapes.values()), dtype
        )
        self.segments = list(self._segments())
        self._backward_layers = self.layers[::-1]
        if not input_gradient:
            self._skip_input_gradients()
        self._bind(rng)

    def _segments(self) -> Iterator[Segment]:
        start = 0
        for i, layer in enumerate(self.layers):
            for name, shape in layer.param_shapes.items():
                stop = start + size(shape)
                yield Segment(f"{i}.{name}", slice(start, stop), shape, decay=name in layer.decayed)
                start = stop

    def _skip_input_gradients(self) -> None:
        """End `backward` at the first layer with parameters, which needs no gradient of its input either."""
        for i, layer in enumerate(self.layers):
            layer.input_gradient = False
            if layer.param_shapes:
                self._backward_layers = self.layers[i:][::-1]
                break

    def _bind(self, rng: np.random.Generator) -> None:
        segment = iter(self.segments)
        start = 0
        for layer, layer_rng in zip(self.layers, rng.spawn(len(self.layers)), strict=True):
            params, grads, state = {}, {}, {}
            for name, shape in layer.param_shapes.items():
                part = next(segment).slice
                params[name] = self.theta[part].reshape(shape)
                grads[name] = self.grad[part].reshape(shape)
            for name, shape in layer.state_shapes.items():
                state[name] = self.state[start : start + size(shape)].reshape(shape)
                start += size(shape)
            layer.bind(params, grads, state, batch=self.batch, dtype=self.dtype, rng=layer_rng)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw all parameters, first layer to last.

        `x` (1..batch rows, *in_shape) is passed on through the layers, for data-driven starts.
        """
        for layer, layer_rng in zip(self.layers, rng.spawn(len(self.layers)), strict=True):
            layer.init(layer_rng, x)
            if x is not None:
                x = layer.forward(x, train=False)

    def forward(self, x: Array, train: bool = False) -> Array:
        """Map x (rows, *in_shape) to the outputs (rows, *out_shape), valid until the next call."""
        for layer in self.layers:
            x = layer.forward(x, train)
        return x

    def backward(self, d_output: Array) -> Array:
        """Map dC/d(output) to dC/d(input) and overwrite `grad`; `d_output` may be modified.

        Without `input_gradient` what is returned means nothing.
        """
        for layer in self._backward_layers:
            d_output = layer.backward(d_output)
        return d_output
