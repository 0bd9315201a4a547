"""Augmentation: images that differ a little at each look, while training only.

Every layer of this family is linear in x for what it has drawn, so that `backward` is its transpose.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from engine.arrays import Array, Shape
from engine.layers.axes import check_images
from engine.layers.base import Layer, LayerSpec


class AugmentationSpec(LayerSpec):
    """What layers that change images have in common."""

    def check(self, in_shape: Shape) -> None:
        """Raise `InvalidSpec` unless images come in."""
        check_images(self.kind, in_shape)


class Augmentation(Layer):
    """Changes each image by numbers drawn for it while training; passes x on in evaluation."""

    draws: ClassVar[int] = 2
    """How many random numbers an image takes, each of them uniform in [0, 1)."""

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
        """Allocate y, dx and the drawn numbers; `rng` draws them."""
        self._rng = rng
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._draws = np.empty((batch, self.draws))
        self._changing = False

    def forward(self, x: Array, train: bool) -> Array:
        """y = A x, with a new A for each image in every call."""
        self._changing = train
        if not train:
            return x
        self._rng.random(out=self._draws[: len(x)])
        return self.changed(x)

    def changed(self, x: Array) -> Array:
        """The images changed by the numbers drawn last."""
        y = self._y[: len(x)]
        self.change(x, self._draws[: len(x)], y)
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx = A^T dC/dy."""
        if not self._changing:
            return dy
        dx = self._dx[: len(dy)]
        if self.input_gradient:
            self.transpose(dy, self._draws[: len(dy)], dx)
        return dx

    def change(self, x: Array, drawn: Array, out: Array) -> None:
        """Fill `out` with the images `x` changed by what `drawn` (rows, draws) says."""
        raise NotImplementedError

    def transpose(self, dy: Array, drawn: Array, out: Array) -> None:
        """Fill `out` with the gradient of the images, given the one of the changed images."""
        raise NotImplementedError

    def buffer_values(self) -> int:
        """Also the drawn numbers, of twice a float32's size."""
        return super().buffer_values() + 2 * self.draws
