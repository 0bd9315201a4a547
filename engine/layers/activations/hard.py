"""Activations made of straight lines, cut at both ends: cheap stand-ins for smooth curves."""

from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape
from engine.layers.activations.base import Activation, ActivationSpec
from engine.layers.activations.rectifiers import RectifierSpec


class Relu6Spec(RectifierSpec):
    """A ReLU that is cut at 6, so that few bits are enough to hold its outputs."""

    formula: ClassVar[str] = r"a = \min(\max(0, z), 6)"
    source: ClassVar[str] = "Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10, section 3"

    kind: Literal["relu6"] = "relu6"

    def build(self, in_shape: Shape) -> "Ramp":
        """Build for rows of any shape."""
        return Ramp(in_shape, slope=1.0, middle=0.0, top=6.0)


class HardSigmoidSpec(ActivationSpec):
    """A straight line from 0 at -3 to 1 at 3: a sigmoid without an exponential."""

    formula: ClassVar[str] = r"a = \max\left(0, \min\left(1, \frac{z}{6} + \frac{1}{2}\right)\right)"
    source: ClassVar[str] = "Howard et al. 2019, Searching for MobileNetV3, section 5.2"

    kind: Literal["hard_sigmoid"] = "hard_sigmoid"

    def build(self, in_shape: Shape) -> "Ramp":
        """Build for rows of any shape."""
        return Ramp(in_shape, slope=1 / 6, middle=0.5, top=1.0)


class Ramp(Activation):
    """a = slope z + middle, cut to 0 .. top."""

    buffers, masks = 1, 2

    def __init__(self, shape: Shape, *, slope: float, middle: float, top: float) -> None:
        super().__init__(shape)
        self._slope, self._middle, self._top = slope, middle, top

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate the output and the masks of what is above 0 and below the top."""
        self._y = np.empty(shape, dtype)
        self._above = np.empty(shape, np.bool_)
        self._below = np.empty(shape, np.bool_)

    def forward(self, x: Array, train: bool) -> Array:
        """a = max(0, min(top, slope z + middle))."""
        y = self._y[: len(x)]
        np.multiply(x, self._slope, out=y)
        y += self._middle
        return np.clip(y, 0.0, self._top, out=y)

    def backward(self, dy: Array) -> Array:
        """f'(z) = slope where 0 < a < top, else 0."""
        y, above, below = self._y[: len(dy)], self._above[: len(dy)], self._below[: len(dy)]
        np.greater(y, 0.0, out=above)
        np.less(y, self._top, out=below)
        above &= below
        dy *= above
        dy *= self._slope
        return dy


class HardSwishSpec(RectifierSpec):
    """The input times its hard sigmoid: a swish without an exponential."""

    formula: ClassVar[str] = r"a = z \max\left(0, \min\left(1, \frac{z}{6} + \frac{1}{2}\right)\right)"
    source: ClassVar[str] = "Howard et al. 2019, Searching for MobileNetV3, section 5.2"

    kind: Literal["hard_swish"] = "hard_swish"

    def build(self, in_shape: Shape) -> "HardSwish":
        """Build for rows of any shape."""
        return HardSwish(in_shape)


class HardSwish(Ramp):
    """a = z h with the hard sigmoid h = a Ramp's output."""

    buffers = 3

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, slope=1 / 6, middle=0.5, top=1.0)

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the product and an array for a part of its derivative."""
        super().allocate(shape, dtype)
        self._product = np.empty(shape, dtype)
        self._t = np.empty(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """a = z h."""
        self._x = x
        return np.multiply(x, super().forward(x, train), out=self._product[: len(x)])

    def backward(self, dy: Array) -> Array:
        """f'(z) = h + z h'."""
        t = self._t[: len(dy)]
        np.multiply(dy, self._y[: len(dy)], out=t)
        super().backward(dy)
        dy *= self._x
        dy += t
        return dy
