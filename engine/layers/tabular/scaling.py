"""The scaling layer: a factor for each feature."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec


class ScalingSpec(LayerSpec):
    """Multiplies each feature by a factor of its own, 1 at the start: training finds out which ones count.

    Features are along the last axis.
    """

    formula: ClassVar[str] = r"y_i = s_i x_i"
    source: ClassVar[str] = (
        "Holzmüller, Grinsztajn & Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees "
        "on tabular data, section 3"
    )

    kind: Literal["scaling"] = "scaling"

    def build(self, in_shape: Shape) -> "Scaling":
        """Build for rows of any shape with at least one axis."""
        if not in_shape:
            raise InvalidSpec("scaling takes rows with at least one axis, but single numbers come in")
        return Scaling(in_shape)


class Scaling(Layer):
    """y = x * s, with s (features,). No bias, so weight decay applies to s too, as in the source."""

    decayed = frozenset({"s"})

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, shape)
        self.param_shapes = {"s": shape[-1:]}

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
        """Allocate y, the products that make ds, and the ones that sum them."""
        self._s, self._ds = params["s"], grads["s"]
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._products = np.empty_like(self._y)
        self._ones = np.ones(batch * size(self.out_shape[:-1]), dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """s = 1."""
        self._s.fill(1)

    def forward(self, x: Array, train: bool) -> Array:
        """y_i = s_i x_i."""
        self._x = x
        return np.multiply(x, self._s, out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """ds_i = sum_rows dC/dy_i x_i; dC/dx_i = s_i dC/dy_i."""
        products = np.multiply(dy, self._x, out=self._products[: len(dy)]).reshape(-1, len(self._s))
        np.dot(self._ones[: len(products)], products, out=self._ds)
        if self.input_gradient:
            dy *= self._s
        return dy

    def buffer_values(self) -> int:
        """y, the products and the ones; the input's gradient needs no array of its own."""
        return 2 * size(self.out_shape) + size(self.out_shape[:-1])

    def multiply_adds(self) -> int:
        """One for each value."""
        return size(self.in_shape)
