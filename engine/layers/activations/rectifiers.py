"""The ReLU and its relatives with a kink at 0: positive inputs pass, negative ones are damped."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer, HeNormalSpec, LecunNormalSpec
from engine.kernels import chosen
from engine.layers.activations.base import Activation, ActivationSpec


class RectifierSpec(ActivationSpec):
    """What the ReLU's family has in common: He's start before it."""

    initializer_before: ClassVar[AnyInitializer | None] = HeNormalSpec()


class ReluSpec(RectifierSpec):
    """Cuts off negative inputs: the default for hidden layers."""

    formula: ClassVar[str] = r"a = \max(0, z)"
    source: ClassVar[str] = "Nair & Hinton 2010, Rectified linear units improve restricted Boltzmann machines"

    kind: Literal["relu"] = "relu"

    def build(self, in_shape: Shape) -> "Relu":
        """Build for rows of any shape."""
        return Relu(in_shape)


class Relu(Activation):
    """a = max(0, z)."""

    buffers, masks = 2, 1

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate the output, and what the kernels work with: zeros and a mask."""
        self._kernels = chosen()
        self._zero = np.zeros((), dtype)
        self._buffers = np.empty(shape, dtype), np.zeros(shape, dtype), np.empty(shape, np.bool_)
        self._take_rows(shape[0])

    def _take_rows(self, rows: int) -> None:
        """Cut the buffers to `rows`: only when their number changes."""
        self._rows = rows
        y, zeros, positive = self._buffers
        self._y, self._zeros, self._positive = y[:rows], zeros[:rows], positive[:rows]

    def forward(self, x: Array, train: bool) -> Array:
        """a = max(0, z)."""
        if len(x) != self._rows:
            self._take_rows(len(x))
        self._kernels.relu(x, self._y, self._zeros)
        return self._y

    def backward(self, dy: Array) -> Array:
        """f'(z) = 1 where a > 0, else 0, also at z = 0."""
        self._kernels.relu_gradient(self._y, dy, self._zero, self._positive)
        return dy


class LeakyReluSpec(RectifierSpec):
    """A ReLU that lets a small part of negative inputs through, so that no unit dies."""

    reaches_all: ClassVar[bool] = True
    formula: ClassVar[str] = r"a = \begin{cases} z & z > 0 \\ s z & z \le 0 \end{cases}"
    source: ClassVar[str] = (
        "Maas, Hannun & Ng 2013, Rectifier nonlinearities improve neural network acoustic models"
    )

    kind: Literal["leaky_relu"] = "leaky_relu"
    slope: float = Field(0.01, ge=0, le=1, description="The slope s for negative inputs.")

    def build(self, in_shape: Shape) -> "LeakyRelu":
        """Build for rows of any shape."""
        return LeakyRelu(in_shape, self.slope)


class TwoSlopes(Activation):
    """A curve with a kink at 0 and the sign of its input, whose slope jumps there by `jump`."""

    buffers, masks = 3, 1

    def __init__(self, shape: Shape, jump: float) -> None:
        super().__init__(shape)
        self._jump = jump

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the zeros to compare with and the mask of positive outputs."""
        super().allocate(shape, dtype)
        self._zeros = np.zeros(shape, dtype)
        self._positive = np.empty(shape, np.bool_)
        self._typed_jump = dtype.type(self._jump)  # a Python float would take bool * float through float64

    def jump(self, rows: int) -> Array:
        """`jump` where the last output is positive and 0 elsewhere; valid until the next call."""
        positive, t = self._positive[:rows], self._t[:rows]
        np.greater(self._y[:rows], self._zeros[:rows], out=positive)
        return np.multiply(positive, self._typed_jump, out=t)


class LeakyRelu(TwoSlopes):
    """a = max(z, slope z), as slope <= 1."""

    def __init__(self, shape: Shape, slope: float) -> None:
        super().__init__(shape, 1 - slope)
        self._slope = slope

    def forward(self, x: Array, train: bool) -> Array:
        """a = max(z, slope z)."""
        y = self._y[: len(x)]
        np.multiply(x, self._slope, out=y)
        return np.maximum(x, y, out=y)

    def backward(self, dy: Array) -> Array:
        """f'(z) = slope + (1 - slope) [a > 0]."""
        t = self.jump(len(dy))
        t += self._slope
        dy *= t
        return dy


class EluSpec(RectifierSpec):
    """A ReLU that bends smoothly to -alpha, so that its outputs are closer to mean 0."""

    formula: ClassVar[str] = r"a = \begin{cases} z & z > 0 \\ \alpha (e^z - 1) & z \le 0 \end{cases}"
    source: ClassVar[str] = (
        "Clevert, Unterthiner & Hochreiter 2016, Fast and accurate deep network learning by exponential "
        "linear units"
    )

    kind: Literal["elu"] = "elu"
    alpha: float = Field(1.0, gt=0, le=100, description="Minus the limit for very negative inputs, alpha.")

    def build(self, in_shape: Shape) -> "Elu":
        """Build for rows of any shape."""
        return Elu(in_shape, self.alpha, 1.0)


class SeluSpec(ActivationSpec):
    """An ELU with the two constants that pull activations towards mean 0 and variance 1."""

    initializer_before: ClassVar[AnyInitializer | None] = LecunNormalSpec()
    formula: ClassVar[str] = (
        r"a = \lambda \begin{cases} z & z > 0 \\ \alpha (e^z - 1) & z \le 0 \end{cases},"
        r" \quad \lambda \approx 1.0507, \ \alpha \approx 1.6733"
    )
    source: ClassVar[str] = "Klambauer et al. 2017, Self-normalizing neural networks, eq. 2"

    kind: Literal["selu"] = "selu"

    def build(self, in_shape: Shape) -> "Elu":
        """Build for rows of any shape."""
        return Elu(in_shape, alpha=1.6732632423543772848170429916717, scale=1.0507009873554804934193349852946)


class Elu(TwoSlopes):
    """a = scale (max(z, 0) + alpha (e^min(z, 0) - 1)); its negative part n = min(a, 0) is kept."""

    buffers = 4

    def __init__(self, shape: Shape, alpha: float, scale: float) -> None:
        super().__init__(shape, scale - scale * alpha)
        self._scale = scale
        self._limit = scale * alpha

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the negative part."""
        super().allocate(shape, dtype)
        self._n = np.empty(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """n = scale alpha (e^min(z, 0) - 1); a = scale max(z, 0) + n.

        e^m - 1 = 2 h / (1 - h) with h = tanh(m / 2): as precise as `expm1`, which is not vectorised.
        """
        y, n, t, zeros = self._y[: len(x)], self._n[: len(x)], self._t[: len(x)], self._zeros[: len(x)]
        np.minimum(x, zeros, out=n)
        n *= 0.5
        np.tanh(n, out=n)
        np.subtract(1.0, n, out=t)
        n /= t
        n *= 2 * self._limit
        np.maximum(x, zeros, out=y)
        y *= self._scale
        y += n
        return y

    def backward(self, dy: Array) -> Array:
        """f'(z) = n + scale alpha + (scale - scale alpha) [a > 0]."""
        t = self.jump(len(dy))
        t += self._n[: len(dy)]
        t += self._limit
        dy *= t
        return dy
