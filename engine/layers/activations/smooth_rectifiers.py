"""The ReLU's smooth relatives, which have a derivative everywhere."""

from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape
from engine.layers.activations.base import Activation, odds
from engine.layers.activations.rectifiers import RectifierSpec


class GeluSpec(RectifierSpec):
    """The input times the probability that a standard normal number is below it.

    In the article's tanh form, since NumPy has no error function; the two differ by less than 0.001.
    """

    formula: ClassVar[str] = (
        r"a = \frac{z}{2} \left(1 + \tanh\left(\sqrt{2 / \pi} \, (z + 0.044715 z^3)\right)\right)"
    )
    source: ClassVar[str] = "Hendrycks & Gimpel 2016, Gaussian error linear units, section 2"

    kind: Literal["gelu"] = "gelu"

    def build(self, in_shape: Shape) -> "Gelu":
        """Build for rows of any shape."""
        return Gelu(in_shape)


class Gelu(Activation):
    """a = z (1 + t) / 2 with t = tanh(z (c + c3 z^2))."""

    buffers = 4

    c = (2 / np.pi) ** 0.5
    c3 = 0.044715 * c

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also two arrays for the factors of f'."""
        super().allocate(shape, dtype)
        self._u = np.empty(shape, dtype)
        self._v = np.empty(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """a = z (1 + t) / 2."""
        self._x = x
        y, t = self._y[: len(x)], self._t[: len(x)]
        np.square(x, out=t)
        t *= self.c3
        t += self.c
        t *= x
        np.tanh(t, out=t)
        np.add(t, 1.0, out=y)
        y *= x
        y *= 0.5
        return y

    def backward(self, dy: Array) -> Array:
        """f'(z) = (1 + t + (1 - t^2) z (c + 3 c3 z^2)) / 2."""
        t, u, v = self._t[: len(dy)], self._u[: len(dy)], self._v[: len(dy)]
        np.square(self._x, out=u)
        u *= 3 * self.c3
        u += self.c
        u *= self._x
        np.square(t, out=v)
        np.subtract(1.0, v, out=v)
        u *= v
        u += t
        u += 1.0
        u *= 0.5
        dy *= u
        return dy


class SiluSpec(RectifierSpec):
    """The input times its sigmoid: smooth, with a dip below zero; also called swish."""

    formula: ClassVar[str] = r"a = z \, \sigma(z) = \frac{z}{1 + e^{-z}}"
    source: ClassVar[str] = (
        "Elfwing, Uchibe & Doya 2018, Sigmoid-weighted linear units for neural network function approximation"
    )

    kind: Literal["silu"] = "silu"

    def build(self, in_shape: Shape) -> "Silu":
        """Build for rows of any shape."""
        return Silu(in_shape)


class Silu(Activation):
    """a = z s with s = sigmoid(z) = o / (1 + o), o = e^z."""

    buffers = 3

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the sigmoid."""
        super().allocate(shape, dtype)
        self._s = np.empty(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """a = z o / (1 + o)."""
        y, s, t = self._y[: len(x)], self._s[: len(x)], self._t[: len(x)]
        np.add(odds(x, out=s), 1.0, out=t)
        s /= t
        return np.multiply(x, s, out=y)

    def backward(self, dy: Array) -> Array:
        """f'(z) = s + a (1 - s)."""
        y, s, t = self._y[: len(dy)], self._s[: len(dy)], self._t[: len(dy)]
        np.subtract(1.0, s, out=t)
        t *= y
        t += s
        dy *= t
        return dy


class SoftplusSpec(RectifierSpec):
    """A smooth ReLU, always positive; its derivative is the sigmoid."""

    formula: ClassVar[str] = r"a = \log(1 + e^z)"
    source: ClassVar[str] = (
        "Dugas et al. 2001, Incorporating second-order functional knowledge for better option pricing"
    )

    kind: Literal["softplus"] = "softplus"

    def build(self, in_shape: Shape) -> "Softplus":
        """Build for rows of any shape."""
        return Softplus(in_shape)


class Softplus(Activation):
    """a = log(1 + o) with the odds o = e^z."""

    buffers = 3

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the odds."""
        super().allocate(shape, dtype)
        self._odds = np.empty(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """a = max(z, log(1 + o)): the odds are cut where the logarithm is z itself."""
        y = self._y[: len(x)]
        np.log1p(odds(x, out=self._odds[: len(x)]), out=y)
        return np.maximum(x, y, out=y)

    def backward(self, dy: Array) -> Array:
        """f'(z) = sigmoid(z) = o / (1 + o)."""
        o, t = self._odds[: len(dy)], self._t[: len(dy)]
        np.add(o, 1.0, out=t)
        np.divide(o, t, out=t)
        dy *= t
        return dy


class MishSpec(RectifierSpec):
    """The input times the tanh of its softplus: close to silu, a little steeper."""

    formula: ClassVar[str] = r"a = z \tanh(\log(1 + e^z))"
    source: ClassVar[str] = "Misra 2020, Mish: a self regularized non-monotonic activation function, eq. 1"

    kind: Literal["mish"] = "mish"

    def build(self, in_shape: Shape) -> "Mish":
        """Build for rows of any shape."""
        return Mish(in_shape)


class Mish(Activation):
    """a = z g with g = tanh(log(1 + o)) = n / (n + 2), where n = o (o + 2) and o = e^z."""

    buffers = 5

    def allocate(self, shape: Shape, dtype: np.dtype[np.floating]) -> None:
        """Allocate also the odds, g and one array for f'."""
        super().allocate(shape, dtype)
        self._odds = np.empty(shape, dtype)
        self._g = np.empty(shape, dtype)
        self._u = np.empty(shape, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """a = z n / (n + 2): precise in both tails."""
        self._x = x
        o, g, t = self._odds[: len(x)], self._g[: len(x)], self._t[: len(x)]
        np.add(odds(x, out=o), 2.0, out=g)
        g *= o
        np.add(g, 2.0, out=t)
        g /= t
        return np.multiply(x, g, out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """f'(z) = g + z 4 o (o + 1) / (n + 2)^2, divided twice: the square would overflow a float32."""
        o, t, u = self._odds[: len(dy)], self._t[: len(dy)], self._u[: len(dy)]
        np.add(o, 1.0, out=u)
        u *= o
        u /= t
        u /= t
        u *= 4.0
        u *= self._x
        u += self._g[: len(dy)]
        dy *= u
        return dy
