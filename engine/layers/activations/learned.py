"""Activations whose curve is learned, with a parameter of its own for each place of the last axis.

So a dense layer's units each have one, and so have the channels of an image.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, GlorotUniformSpec
from engine.layers.activations.base import Activation, ActivationSpec
from engine.layers.activations.rectifiers import RectifierSpec, SeluSpec
from engine.layers.activations.smooth_rectifiers import MishSpec
from engine.spec import InvalidSpec


class LearnedActivation(Activation):
    """An activation with one parameter a unit, `name`, which starts at `start`."""

    name: ClassVar[str]
    """What the parameter is called; it is none of those that weight decay applies to."""

    def __init__(self, shape: Shape, start: float) -> None:
        super().__init__(shape)
        self.param_shapes = {self.name: shape[-1:]}
        self._start = start

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
        """Allocate as an activation does, and the ones that sum the gradient."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._parameter, self._gradient = params[self.name], grads[self.name]
        self._ones = np.ones(batch * size(self.out_shape[:-1]), dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """All units start alike."""
        self._parameter.fill(self._start)

    def sum_gradient(self, products: Array) -> None:
        """The parameter's gradient: the sum of `products` (rows, *shape) over all axes but the last."""
        flat = products.reshape(-1, products.shape[-1])
        np.dot(self._ones[: len(flat)], flat, out=self._gradient)

    def buffer_values(self) -> int:
        """Also the ones."""
        return super().buffer_values() + size(self.out_shape[:-1])


def _check_axis(kind: str, in_shape: Shape) -> None:
    if not in_shape:
        raise InvalidSpec(f"{kind} takes rows with at least one axis, but single numbers come in")


class PreluSpec(RectifierSpec):
    """A leaky ReLU that learns the slope of its negative side, one for each unit or channel."""

    reaches_all: ClassVar[bool] = True
    formula: ClassVar[str] = r"a_j = \max(0, z_j) + s_j \min(0, z_j)"
    source: ClassVar[str] = "He et al. 2015, Delving deep into rectifiers, eq. 1"

    kind: Literal["prelu"] = "prelu"
    slope: float = Field(0.25, ge=0, le=1, description="Where all slopes s start.")

    def build(self, in_shape: Shape) -> "Prelu":
        """Build for rows of any shape with at least one axis."""
        _check_axis(self.kind, in_shape)
        return Prelu(in_shape, self.slope)


class Prelu(LearnedActivation):
    """a = max(0, z) + s min(0, z)."""

    name = "slope"
    buffers, masks = 3, 1

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the negative part and the mask of what is negative."""
        super().allocate(shape, dtype)
        self._negative = np.empty(shape, dtype)
        self._is_negative = np.empty(shape, np.bool_)
        self._less = np.empty(shape[-1], dtype)  # s - 1

    def forward(self, x: Array, train: bool) -> Array:
        """a = (z - n) + s n with n = min(0, z)."""
        y, n, t = self._y[: len(x)], self._negative[: len(x)], self._t[: len(x)]
        t.fill(0)  # a scalar to compare with would not be vectorised
        np.minimum(x, t, out=n)
        np.multiply(n, self._parameter, out=t)
        np.subtract(x, n, out=y)
        y += t
        return y

    def backward(self, dy: Array) -> Array:
        """dC/ds = sum_rows dC/da n; f'(z) = 1 + (s - 1) [z < 0]."""
        n, t, is_negative = self._negative[: len(dy)], self._t[: len(dy)], self._is_negative[: len(dy)]
        np.multiply(dy, n, out=t)
        self.sum_gradient(t)
        np.less(n, 0.0, out=is_negative)
        np.subtract(self._parameter, 1.0, out=self._less)
        np.multiply(is_negative, self._less, out=t)
        t += 1.0
        dy *= t
        return dy

    def fixed_values(self) -> int:
        """The slopes less 1."""
        return self.out_shape[-1]


class ParametricActivationSpec(ActivationSpec):
    """Learns, for each unit, how much of a SELU or mish it is: 0 is the identity, 1 the whole curve."""

    reaches_all: ClassVar[bool] = True
    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()
    formula: ClassVar[str] = r"a_j = z_j + \alpha_j (\sigma(z_j) - z_j)"
    source: ClassVar[str] = (
        "Holzmüller, Grinsztajn & Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees "
        "on tabular data, section 3"
    )

    kind: Literal["parametric_activation"] = "parametric_activation"
    activation: Literal["selu", "mish"] = Field("selu", description="The curve sigma.")
    alpha: float = Field(1.0, ge=0, le=1, description="Where all alphas start.")

    def build(self, in_shape: Shape) -> "ParametricActivation":
        """Build for rows of any shape with at least one axis."""
        _check_axis(self.kind, in_shape)
        curve = SeluSpec() if self.activation == "selu" else MishSpec()
        return ParametricActivation(in_shape, curve.build(in_shape), self.alpha)


class ParametricActivation(LearnedActivation):
    """a = (1 - alpha) z + alpha sigma(z): nothing cancels where sigma(z) is small beside z."""

    name = "alpha"

    def __init__(self, shape: Shape, curve: Activation, start: float) -> None:
        super().__init__(shape, start)
        self._curve = curve

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the rest, 1 - alpha, and what the curve needs."""
        super().allocate(shape, dtype)
        self._rest = np.empty(shape[-1], dtype)
        self._curve.allocate(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """a = (1 - alpha) z + alpha sigma(z)."""
        y, t = self._y[: len(x)], self._t[: len(x)]
        self._x, self._sigma = x, self._curve.forward(x, train)
        np.subtract(1.0, self._parameter, out=self._rest)
        np.multiply(x, self._rest, out=y)
        np.multiply(self._sigma, self._parameter, out=t)
        y += t
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dalpha = sum_rows dC/da (sigma(z) - z); f'(z) = 1 - alpha + alpha sigma'(z)."""
        t = self._t[: len(dy)]
        np.subtract(self._sigma, self._x, out=t)
        t *= dy
        self.sum_gradient(t)
        np.multiply(dy, self._parameter, out=t)
        dy *= self._rest
        dy += self._curve.backward(t)
        return dy

    def buffer_values(self) -> int:
        """Also the curve's."""
        return super().buffer_values() + self._curve.buffer_values()

    def fixed_values(self) -> int:
        """The rests."""
        return self.out_shape[-1]
