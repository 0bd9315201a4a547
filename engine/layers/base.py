"""The contract of a layer, stated once.

A layer is a differentiable function y = f(x; theta) of a batch of rows. Its spec builds it for a
known input shape (without the batch axis), so every shape is known before anything is allocated.

Buffers:

- `bind` allocates all that `forward` and `backward` need, for at most `batch` rows; afterwards they
  take 1..batch rows, use leading slices and allocate nothing.
- All arrays are C-contiguous and of the dtype of `bind`.
- A layer owns the array that it returns, until its next call; a layer that changes nothing returns
  what it got. It never modifies `x`; it may modify `dy`. Whoever gives one array to several layers
  gives each a copy of its own `dy`.
- `backward` overwrites the gradients of its parameters; it never adds to them.
- `backward` belongs to the last `forward`, whose `x` is still unchanged. After `train=False` it is the
  gradient of what evaluation computes: without dropped values, with the running moments.
- `buffer_values` and `fixed_values` tell what `bind` will allocate.

Randomness is an argument: the generator of `init` draws the parameters, the generator of `bind`
draws what training needs, such as dropout masks.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, GlorotUniformSpec, ZerosSpec
from engine.spec import Spec


class Layer:
    """A built layer: shapes are fixed, memory comes with `bind`."""

    param_shapes: Mapping[str, Shape] = {}
    """Shapes of the trainable parameters, by name."""
    state_shapes: Mapping[str, Shape] = {}
    """Shapes of what is kept between batches without a gradient (running moments)."""
    decayed: frozenset[str] = frozenset({"W"})
    """Names of the parameters that weight decay, the penalties and the max-norm constraint apply to."""
    input_gradient: bool = True
    """False where nobody reads the gradient of `x`: `backward` may then return anything."""

    def __init__(self, in_shape: Shape, out_shape: Shape) -> None:
        self.in_shape = in_shape
        self.out_shape = out_shape

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
        """Take the views of parameters, gradients and state, and allocate for up to `batch` rows."""

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw the parameters in place; `x`: rows as they reach this layer, for data-driven starts."""

    def forward(self, x: Array, train: bool) -> Array:
        """Map x (rows, *in_shape) to y (rows, *out_shape)."""
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """Map dC/dy to dC/dx and overwrite the parameters' gradients."""
        raise NotImplementedError

    def skip_input_gradient(self) -> None:
        """From now on nobody reads the gradient of `x`."""
        self.input_gradient = False

    def scale_dropout(self, factor: float) -> None:
        """From now on drop with `factor` (0 to 1) times the rate that the spec says."""

    def generators(self) -> Iterator[np.random.Generator]:
        """The generators that layers within this one draw from while training, always in one order.

        That of `bind` is not among them: whoever gave it knows it.
        """
        yield from ()

    def multiply_adds(self) -> int:
        """Multiply-adds of one row's forward pass."""
        return 0

    def buffer_values(self) -> int:
        """Numbers of a float32's size a row that the buffers hold: by default y and dx."""
        return size(self.out_shape) + size(self.in_shape)

    def fixed_values(self) -> int:
        """Numbers that the buffers hold whatever the batch, such as a reshaped copy of the weights."""
        return 0


def mask_values(values: int) -> int:
    """Numbers of a float32's size that a mask of as many bytes takes."""
    return -(-values // 4)


class LayerSpec(Spec):
    """A spec that builds a layer."""

    kind: str

    is_activation: ClassVar[bool] = False
    """Whether the layer is an activation: element by element or over the last axis, the shape unchanged.

    It may learn its curve; it works with its defaults.
    """
    reaches_all: ClassVar[bool] = True
    """Whether the outputs can be any real numbers."""
    initializer_before: ClassVar[AnyInitializer | None] = None
    """The start that suits the weights that feed this layer; None: the layer after this one decides."""

    def start_before(self) -> AnyInitializer | None:
        """`initializer_before`; a layer made of layers asks its first."""
        return self.initializer_before

    def started(self, start: AnyInitializer) -> "LayerSpec":
        """This spec with the starts that were left out filled in, where `start` suits what follows it."""
        return self

    def build(self, in_shape: Shape) -> Layer:
        """Build the layer for rows of `in_shape`.

        Raises `InvalidSpec` when rows of that shape cannot go in. Allocates nothing.
        """
        raise NotImplementedError


class WeightedSpec(LayerSpec):
    """A spec of a layer with weights W and a bias b, whose starts may be left out."""

    weight_initializer: AnyInitializer | None = Field(
        None,
        description="How W starts. Left out, the activation that follows decides: he_normal before the ReLU "
        "family, lecun_normal before selu, glorot_uniform otherwise.",
    )
    bias_initializer: AnyInitializer = Field(ZerosSpec(), description="How b starts.")

    def started(self, start: AnyInitializer) -> "WeightedSpec":
        """With `start` for W, unless a start was given."""
        return self if self.weight_initializer else self.model_copy(update={"weight_initializer": start})

    @property
    def weight_start(self) -> AnyInitializer:
        """How W starts, also where nobody has decided."""
        return self.weight_initializer or GlorotUniformSpec()


def started(layers: Sequence[LayerSpec], start: AnyInitializer | None = None) -> tuple[LayerSpec, ...]:
    """The layers with the starts that were left out filled in; `start` suits what follows the last."""
    filled: list[LayerSpec] = []
    for layer in reversed(layers):
        filled.append(layer.started(start or GlorotUniformSpec()))
        start = layer.start_before() or start
    return tuple(reversed(filled))
