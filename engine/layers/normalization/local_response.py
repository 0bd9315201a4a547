"""Local response normalisation: strong responses of a neuron quieten its neighbours at the same place."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec
from engine.layers.images.pixels import pixels
from engine.spec import InvalidSpec


class LocalResponseNormalizationSpec(LayerSpec):
    """Divides each response by the strength of its neighbours: the channels nearby, at the same position.

    The defaults are AlexNet's. `alpha` is taken as the article has it; where other software (ONNX,
    Caffe, PyTorch) divides it by n, its `alpha` is n times this one.
    """

    formula: ClassVar[str] = (
        r"b_c = a_c \left(k + \alpha \sum_{c' = c - \lfloor (n-1)/2 \rfloor}^{c + \lceil (n-1)/2 \rceil} "
        r"a_{c'}^2\right)^{-\beta}"
    )
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural "
        "networks, section 3.3"
    )

    kind: Literal["local_response_normalization"] = "local_response_normalization"
    n: int = Field(
        5,
        ge=1,
        le=1023,
        description="Channels in the sum: c itself and as many on both sides, with an even n one more above.",
    )
    k: float = Field(2.0, ge=1e-3, le=1e6, description="What the strength is without any response.")
    alpha: float = Field(1e-4, ge=0, le=1e6, description="How much the squared responses weigh.")
    beta: float = Field(0.75, ge=0, le=10, description="The power of the strength that divides.")

    def build(self, in_shape: Shape) -> "LocalResponseNormalization":
        """Build for rows of one axis or more, the last of them channels."""
        if not in_shape:
            raise InvalidSpec(
                "local_response_normalization takes rows with at least one axis, but single numbers come in"
            )
        return LocalResponseNormalization(in_shape, self)


class LocalResponseNormalization(Layer):
    """b = a s^-beta with the strength s = k + alpha sum a^2 over the neighbouring channels."""

    def __init__(self, shape: Shape, spec: LocalResponseNormalizationSpec) -> None:
        super().__init__(shape, shape)
        self.spec = spec
        channels = shape[-1]
        self._below = min((spec.n - 1) // 2, channels - 1)
        self._above = min(spec.n // 2, channels - 1)
        self._margin = max(self._below, self._above)
        self._padded: Shape = (*shape[:-1], channels + 2 * self._margin)

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
        """Allocate b, s, s^-beta, intermediate values, and what sums over neighbours."""
        shape = (batch, *self.out_shape)
        self._y, self._s, self._damping, self._t = (np.empty(shape, dtype) for _ in range(4))
        self._values = np.zeros((batch, *self._padded), dtype)  # whose margins stay zero
        self._sums = np.empty_like(self._values)

    def forward(self, x: Array, train: bool) -> Array:
        """s_c = k + alpha sum_c' a_c'^2; b_c = a_c s_c^-beta."""
        rows = len(x)
        self._x = x
        y, s, damping, t = self._y[:rows], self._s[:rows], self._damping[:rows], self._t[:rows]
        np.multiply(x, x, out=t)
        self._sum_neighbours(t, self._below, self._above, out=s)
        s *= self.spec.alpha
        s += self.spec.k
        np.log(s, out=damping)  # e^(-beta log s), in half the time of a power
        damping *= -self.spec.beta
        np.exp(damping, out=damping)
        return np.multiply(x, damping, out=y)

    def backward(self, dy: Array) -> Array:
        """dC/da_c = dC/db_c s_c^-beta - 2 alpha beta a_c sum_c' dC/db_c' b_c' / s_c'.

        The sum is over those c' that have c among their neighbours.
        """
        if self.input_gradient:
            rows = len(dy)
            t = self._t[:rows]
            np.multiply(dy, self._y[:rows], out=t)
            t /= self._s[:rows]
            self._sum_neighbours(t, self._above, self._below, out=t)
            t *= self._x
            t *= 2 * self.spec.alpha * self.spec.beta
            dy *= self._damping[:rows]
            dy -= t
        return dy

    def _sum_neighbours(self, values: Array, below: int, above: int, out: Array) -> None:
        """out_c = sum of values_c' over c - below <= c' <= c + above.

        With margins of zeros around the channels of every pixel, a shift of the whole array, in one run,
        shifts the channels of each.
        """
        rows, channels = len(values), values.shape[-1]
        padded, sums = self._values[:rows], self._sums[:rows]
        np.copyto(pixels(padded[..., self._margin : self._margin + channels]), pixels(values))
        line, total = padded.reshape(-1), sums.reshape(-1)[: padded.size - 2 * self._margin]
        first, last = self._margin - below, self._margin + above
        np.copyto(total, line[first : first + len(total)])
        for shift in range(first + 1, last + 1):
            total += line[shift : shift + len(total)]
        np.copyto(pixels(out), pixels(sums[..., :channels]))

    def buffer_values(self) -> int:
        """What `bind` allocates: the gradient needs no array of its own."""
        return 4 * size(self.out_shape) + 2 * size(self._padded)

    def multiply_adds(self) -> int:
        """The sums, and one for each step from them to b."""
        return (self._below + self._above + 4) * size(self.out_shape)
