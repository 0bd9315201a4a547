"""The softsign: an S-shaped curve without an exponential."""

from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape
from engine.layers.activations.base import Activation, ActivationSpec


class SoftsignSpec(ActivationSpec):
    """An S-shaped curve from -1 to 1 that reaches its ends far more slowly than tanh."""

    formula: ClassVar[str] = r"a = \frac{z}{1 + |z|}"
    source: ClassVar[str] = (
        "Bergstra et al. 2009, Quadratic polynomials learn better image features; Glorot & Bengio 2010, "
        "Understanding the difficulty of training deep feedforward neural networks"
    )

    kind: Literal["softsign"] = "softsign"

    def build(self, in_shape: Shape) -> "Softsign":
        """Build for rows of any shape."""
        return Softsign(in_shape)


class Softsign(Activation):
    """a = z / n with n = 1 + |z|."""

    def forward(self, x: Array, train: bool) -> Array:
        """a = z / n."""
        n = self._t[: len(x)]
        np.abs(x, out=n)
        n += 1.0
        return np.divide(x, n, out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """f'(z) = 1 / n^2."""
        n = self._t[: len(dy)]
        dy /= n
        dy /= n
        return dy
