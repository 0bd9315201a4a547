"""Activations a_j = f(z_j), element by element: the contract they share, and the classical ones.

The backward pass is delta_j = dC/da_j f'(z_j), in place on dC/da; f' comes from the output where it can.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, GlorotUniformSpec
from engine.layers.base import Layer, LayerSpec, mask_values


class ActivationSpec(LayerSpec):
    """What most activations have in common: a bounded range, and Glorot's start before them."""

    is_activation: ClassVar[bool] = True
    reaches_all: ClassVar[bool] = False
    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()


class Activation(Layer):
    """A layer whose output has its input's shape and whose gradient is made in place; most have no parameters."""

    buffers: ClassVar[int] = 2
    """How many arrays of the output's shape `allocate` makes."""
    masks: ClassVar[int] = 0
    """How many masks of bytes besides."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, shape)

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
        """Allocate for up to `batch` rows."""
        self.allocate((batch, *self.out_shape), dtype)

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate the output `_y` and one array `_t` for intermediate values, both of `shape`."""
        self._y = np.empty(shape, dtype)
        self._t = np.empty(shape, dtype)

    def buffer_values(self) -> int:
        """What `allocate` makes: the input's gradient needs no array of its own."""
        values = size(self.out_shape)
        return self.buffers * values + self.masks * mask_values(values)


class IdentitySpec(ActivationSpec):
    """Passes its input on: the activation of a linear layer."""

    reaches_all: ClassVar[bool] = True
    initializer_before: ClassVar[AnyInitializer | None] = None
    formula: ClassVar[str] = r"a = z"
    source: ClassVar[str] = "Widrow & Hoff 1960, Adaptive switching circuits"

    kind: Literal["identity"] = "identity"

    def build(self, in_shape: Shape) -> "Identity":
        """Build for rows of any shape."""
        return Identity(in_shape)


class Identity(Activation):
    """a = z, without a copy."""

    buffers = 0

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Nothing to allocate."""

    def forward(self, x: Array, train: bool) -> Array:
        """a = z."""
        return x

    def backward(self, dy: Array) -> Array:
        """f'(z) = 1."""
        return dy


class StepSpec(ActivationSpec):
    """1 from zero on, 0 below: the threshold of the first perceptron.

    Its derivative is 0 everywhere, so backpropagation cannot train the layers before it.
    """

    formula: ClassVar[str] = r"a = \begin{cases} 1 & z \ge 0 \\ 0 & z < 0 \end{cases}"
    source: ClassVar[str] = (
        "McCulloch & Pitts 1943, A logical calculus of the ideas immanent in nervous activity"
    )

    kind: Literal["step"] = "step"

    def build(self, in_shape: Shape) -> "Step":
        """Build for rows of any shape."""
        return Step(in_shape)


class Step(Activation):
    """a = [z >= 0]."""

    buffers = 1

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate the output."""
        self._y = np.empty(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """a = 1 where z >= 0, else 0; NaN stays NaN."""
        return np.heaviside(x, 1.0, out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """f'(z) = 0."""
        dy.fill(0)
        return dy


SIGMOID_SATURATES = 40.0
"""From this z on, 1 + e^-z is 1 and log(1 + e^z) is z to the last bit of a float64."""


def odds(z: Array, out: Array) -> Array:
    """e^z, the odds sigmoid(z) / (1 - sigmoid(z)), of z cut at `SIGMOID_SATURATES`: it cannot overflow."""
    np.minimum(z, SIGMOID_SATURATES, out=out)
    return np.exp(out, out=out)


class SigmoidSpec(ActivationSpec):
    """An S-shaped curve from 0 to 1: the probability that belongs to a logit."""

    formula: ClassVar[str] = r"a = \sigma(z) = \frac{1}{1 + e^{-z}}"
    source: ClassVar[str] = (
        "Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors, eq. 2"
    )

    kind: Literal["sigmoid"] = "sigmoid"

    def build(self, in_shape: Shape) -> "Sigmoid":
        """Build for rows of any shape."""
        return Sigmoid(in_shape)


class Sigmoid(Activation):
    """a = 1 / (1 + e^-z) = o / (1 + o) with the odds o = e^z."""

    def forward(self, x: Array, train: bool) -> Array:
        """a = o / (1 + o): precise in both tails."""
        y, t = self._y[: len(x)], self._t[: len(x)]
        np.add(odds(x, out=y), 1.0, out=t)
        y /= t
        return y

    def backward(self, dy: Array) -> Array:
        """f'(z) = a (1 - a)."""
        y, t = self._y[: len(dy)], self._t[: len(dy)]
        np.subtract(1.0, y, out=t)
        t *= y
        dy *= t
        return dy


class TanhSpec(ActivationSpec):
    """An S-shaped curve from -1 to 1, with mean 0 for inputs around 0."""

    formula: ClassVar[str] = r"a = \tanh(z) = \frac{e^z - e^{-z}}{e^z + e^{-z}}"
    source: ClassVar[str] = "LeCun et al. 1998, Efficient BackProp, section 4.4"

    kind: Literal["tanh"] = "tanh"

    def build(self, in_shape: Shape) -> "Tanh":
        """Build for rows of any shape."""
        return Tanh(in_shape)


class Tanh(Activation):
    """a = tanh(z)."""

    def forward(self, x: Array, train: bool) -> Array:
        """a = tanh(z)."""
        return np.tanh(x, out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """f'(z) = 1 - a^2."""
        y, t = self._y[: len(dy)], self._t[: len(dy)]
        np.square(y, out=t)
        np.subtract(1.0, t, out=t)
        dy *= t
        return dy
