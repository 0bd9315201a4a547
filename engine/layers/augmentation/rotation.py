"""Rotation of images by random angles."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.augmentation.base import Augmentation, AugmentationSpec
from engine.layers.base import mask_values

PIXELS_AT_ONCE = 4096
"""As many small images are turned together, since each step of it costs a call; more would leave the cache."""


class RandomRotationSpec(AugmentationSpec):
    """Turns images around their middle while training, by a random angle to either side; zeros come in."""

    formula: ClassVar[str] = (
        r"y(u, v) = x(u \cos\theta + v \sin\theta, v \cos\theta - u \sin\theta), \quad "
        r"\theta \sim \mathcal{U}(-\theta_{\max}, \theta_{\max}) \text{, rows } u \text{ and columns } v "
        r"\text{ from the middle}"
    )
    source: ClassVar[str] = (
        "Simard, Steinkraus & Platt 2003, Best practices for convolutional neural networks applied to "
        "visual document analysis, section 2"
    )

    kind: Literal["random_rotation"] = "random_rotation"
    degrees: float = Field(10.0, ge=0, le=180, description="The largest angle, to the left and to the right.")
    interpolation: Literal["nearest", "bilinear"] = Field(
        "bilinear",
        description="Where the turned grid lies between pixels: the nearest of them, or all four weighted.",
    )

    def build(self, in_shape: Shape) -> "RandomRotation":
        """Build for images; raises `InvalidSpec` for other rows."""
        self.check(in_shape)
        return RandomRotation(in_shape, self)


class RandomRotation(Augmentation):
    """Each new pixel is a weighted sum of the pixels around the place that it is turned from."""

    draws = 1

    def __init__(self, shape: Shape, spec: RandomRotationSpec) -> None:
        super().__init__(shape, shape)
        self._degrees = spec.degrees
        self._bilinear = spec.interpolation == "bilinear"
        self._neighbours = 2 if self._bilinear else 1  # along each axis
        self._images = max(1, PIXELS_AT_ONCE // size(shape[:2]))

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
        """Allocate also, for a few images, where their new pixels come from."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        height, width, channels = self.in_shape
        grid = self._images, height, width
        # rows and columns from the middle, and the number of each image's first pixel
        self._u = np.arange(height)[:, np.newaxis] - (height - 1) / 2
        self._v = np.arange(width) - (width - 1) / 2
        self._first = np.arange(self._images)[:, np.newaxis, np.newaxis] * float(height * width)
        self._at = np.empty((2, self._neighbours, *grid))  # rows and columns of the neighbours
        self._share = np.empty_like(self._at)  # ... and their weights along that axis
        self._place, self._t = np.empty(grid), np.empty(grid)
        self._inside = np.empty(grid, np.bool_)
        self._index = np.empty(grid, np.intp)
        self._weight = np.empty((*grid, 1), dtype)
        self._part = np.empty((*grid, channels), dtype)

    def fixed_values(self) -> int:
        """A pixel: numbers of 8 bytes (4 a neighbour along an axis, and 3), a mask, a weight and a part."""
        height, width, channels = self.in_shape
        pixels = self._images * height * width
        doubles = (4 * self._neighbours + 3) * pixels + height + width + self._images
        return 2 * doubles + mask_values(pixels) + (1 + channels) * pixels

    def change(self, x: Array, drawn: Array, out: Array) -> None:
        """y_p = sum_q w_pq x_q over the neighbours q of the place that p is turned from."""
        for start in range(0, len(x), self._images):
            images, turned = x[start : start + self._images], out[start : start + self._images]
            part = self._part[: len(images)]
            turned.fill(0)
            for index, weight in self._sources(drawn[start : start + self._images]):
                np.take(images.reshape(-1, images.shape[-1]), index, axis=0, out=part, mode="clip")
                part *= weight
                turned += part

    def transpose(self, dy: Array, drawn: Array, out: Array) -> None:
        """dC/dx_q = sum_p w_pq dC/dy_p."""
        for start in range(0, len(dy), self._images):
            slopes, images = dy[start : start + self._images], out[start : start + self._images]
            part = self._part[: len(images)]
            images.fill(0)
            for index, weight in self._sources(drawn[start : start + self._images]):
                np.multiply(slopes, weight, out=part)
                for channel in range(images.shape[-1]):  # one axis at a time: NumPy's fast path
                    target = images.reshape(-1, images.shape[-1])[:, channel]
                    np.add.at(target, index.reshape(-1), part.reshape(-1, images.shape[-1])[:, channel])

    def _sources(self, drawn: Array) -> Iterator[tuple[NDArray[np.intp], Array]]:
        """For each neighbour: which pixel it is (images, height, width), and its weight (..., 1).

        The weight is 0 where the neighbour lies outside of the image.
        """
        angles = np.deg2rad(self._degrees * (2 * drawn - 1))[:, :, np.newaxis]
        images = len(angles)
        height, width, _ = self.in_shape
        self._look_around(0, np.cos(angles), np.sin(angles), height)
        self._look_around(1, -np.sin(angles), np.cos(angles), width)
        (rows, columns), (down, right) = self._at[:, :, :images], self._share[:, :, :images]
        t, index, weight = self._t[:images], self._index[:images], self._weight[:images]
        for i, j in product(range(self._neighbours), repeat=2):
            np.multiply(rows[i], width, out=t)
            t += columns[j]
            t += self._first[:images]
            np.copyto(index, t, casting="unsafe")
            np.multiply(down[i], right[j], out=t)
            np.copyto(weight[..., 0], t)
            yield index, weight

    def _look_around(self, axis: int, along_u: Array, along_v: Array, side: int) -> None:
        """Find the neighbours of along_u u + along_v v along `axis`, and their weights."""
        images = len(along_u)
        place, inside = self._place[:images], self._inside[:images]
        at, share = self._at[axis, :, :images], self._share[axis, :, :images]
        np.add(self._u * along_u, self._v * along_v, out=place)
        place += (side - 1) / 2
        if self._bilinear:
            np.floor(place, out=at[0])
            np.add(at[0], 1, out=at[1])
            np.subtract(place, at[0], out=share[1])
            np.subtract(1, share[1], out=share[0])
        else:
            np.rint(place, out=at[0])
            share.fill(1)
        for neighbour, weight in zip(at, share, strict=True):
            np.maximum(neighbour, 0, out=place)
            np.minimum(place, side - 1, out=place)
            np.multiply(weight, np.equal(place, neighbour, out=inside), out=weight)
            np.copyto(neighbour, place)
