"""Augmentations that only move pixels or take some away: flip, crop, shift and cutout."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.layers.augmentation.base import Augmentation, AugmentationSpec
from engine.layers.images.pixels import pixels
from engine.layers.images.sliding import Margins, Pair
from engine.spec import InvalidSpec

Pixels = np.ndarray[Any, np.dtype[np.void]]  # (height, width), all channels of a pixel as one item
ZEROS = b""  # what fills a pixel with zero bytes, that is 0 in every channel


class MovedPixels(Augmentation):
    """Takes one image after the other, as its pixels."""

    def change(self, x: Array, drawn: Array, out: Array) -> None:
        """Move the pixels of each image."""
        for image, numbers, moved in zip(pixels(x), drawn, pixels(out), strict=True):
            self.move(image, numbers, moved)

    def transpose(self, dy: Array, drawn: Array, out: Array) -> None:
        """Move the gradients back."""
        for moved, numbers, image in zip(pixels(dy), drawn, pixels(out), strict=True):
            self.move_back(moved, numbers, image)

    def move(self, image: Pixels, drawn: Array, out: Pixels) -> None:
        """Fill `out` with the image as the numbers `drawn` (draws,) have it."""
        raise NotImplementedError

    def move_back(self, slope: Pixels, drawn: Array, out: Pixels) -> None:
        """Fill `out` with the transpose of `move`."""
        raise NotImplementedError


class RandomFlipSpec(AugmentationSpec):
    """Mirrors images at random while training: left and right, upside down, or both."""

    formula: ClassVar[str] = (
        r"y_{ijc} = x_{ijc} \text{ or } x_{i, W - 1 - j, c}, \quad \text{and likewise for } i"
    )
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural "
        "networks, section 4.1"
    )

    kind: Literal["random_flip"] = "random_flip"
    horizontal: bool = Field(True, description="Whether left and right may change places.")
    vertical: bool = Field(False, description="Whether top and bottom may change places.")
    probability: float = Field(0.5, ge=0, le=1, description="How probable each of the flips is, by itself.")

    def build(self, in_shape: Shape) -> "RandomFlip":
        """Build for images; raises `InvalidSpec` for other rows."""
        self.check(in_shape)
        return RandomFlip(in_shape, self)


class RandomFlip(MovedPixels):
    """Reads rows and columns forward or backward."""

    def __init__(self, shape: Shape, spec: RandomFlipSpec) -> None:
        super().__init__(shape, shape)
        self._limits = spec.probability * spec.vertical, spec.probability * spec.horizontal

    def move(self, image: Pixels, drawn: Array, out: Pixels) -> None:
        """y_ij = x_ij, with H - 1 - i for i and W - 1 - j for j where the numbers drawn say so."""
        down, right = (-1 if number < limit else 1 for number, limit in zip(drawn, self._limits, strict=True))
        np.copyto(out, image[::down, ::right])

    def move_back(self, slope: Pixels, drawn: Array, out: Pixels) -> None:
        """A flip is its own transpose."""
        self.move(slope, drawn, out)


class RandomCropSpec(AugmentationSpec):
    """Cuts a smaller image out of an image, at a random place while training, in evaluation in the middle."""

    formula: ClassVar[str] = (
        r"y_{ijc} = x_{i + t, j + l, c}, \quad t \sim \mathcal{U}\{0, \dots, H - h\}, "
        r"l \sim \mathcal{U}\{0, \dots, W - w\}"
    )
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural "
        "networks, section 4.1"
    )

    kind: Literal["random_crop"] = "random_crop"
    size: Pair = Field(description="Height and width of what is cut out; one number: both.")

    def build(self, in_shape: Shape) -> "RandomCrop":
        """Build for images of at least `size`; raises `InvalidSpec` for other rows."""
        self.check(in_shape)
        if self.size[0] > in_shape[0] or self.size[1] > in_shape[1]:
            raise InvalidSpec(f"{list(self.size)} cannot be cut out of {list(in_shape[:2])}", ("size",))
        return RandomCrop(in_shape, (*self.size, in_shape[2]))


class RandomCrop(MovedPixels):
    """Keeps a window of the image."""

    def forward(self, x: Array, train: bool) -> Array:
        """The window is where the numbers drawn say, and in evaluation where 1/2 would put it."""
        if train:
            return super().forward(x, train)
        self._changing = True
        self._draws[: len(x)] = 0.5
        return self.changed(x)

    def move(self, image: Pixels, drawn: Array, out: Pixels) -> None:
        """y_ij = x_(i + t)(j + l)."""
        np.copyto(out, image[self._window(drawn)])

    def move_back(self, slope: Pixels, drawn: Array, out: Pixels) -> None:
        """The gradient inside of the window, and 0 around it."""
        out.fill(ZEROS)
        np.copyto(out[self._window(drawn)], slope)

    def _window(self, drawn: Array) -> tuple[slice, slice]:
        (height, width, _), (h, w, _) = self.in_shape, self.out_shape
        top, left = int(drawn[0] * (height - h + 1)), int(drawn[1] * (width - w + 1))
        return slice(top, top + h), slice(left, left + w)


class RandomShiftSpec(AugmentationSpec):
    """Shifts images up or down and to the left or right while training; zeros come in."""

    formula: ClassVar[str] = (
        r"y_{ijc} = x_{i - d, j - r, c} \text{ or } 0, \quad d \sim \mathcal{U}\{-m, \dots, m\}, "
        r"r \sim \mathcal{U}\{-n, \dots, n\}"
    )
    source: ClassVar[str] = (
        "Simard, Steinkraus & Platt 2003, Best practices for convolutional neural networks applied to "
        "visual document analysis, section 2"
    )

    kind: Literal["random_shift"] = "random_shift"
    pixels: Margins = Field(
        (2, 2), description="Pixels up or down, and to the left or right, at most; one number: both."
    )

    def build(self, in_shape: Shape) -> "RandomShift":
        """Build for images; raises `InvalidSpec` for other rows."""
        self.check(in_shape)
        return RandomShift(in_shape, self.pixels)


class RandomShift(MovedPixels):
    """Moves what stays inside of the image."""

    def __init__(self, shape: Shape, reach: tuple[int, int]) -> None:
        super().__init__(shape, shape)
        self._reach = reach

    def move(self, image: Pixels, drawn: Array, out: Pixels) -> None:
        """y_ij = x_(i - d)(j - r) inside of the image, else 0."""
        old, new = self._parts(drawn)
        out.fill(ZEROS)
        np.copyto(out[new], image[old])

    def move_back(self, slope: Pixels, drawn: Array, out: Pixels) -> None:
        """The shift back."""
        old, new = self._parts(drawn)
        out.fill(ZEROS)
        np.copyto(out[old], slope[new])

    def _parts(self, drawn: Array) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """The part of the image that stays inside: where it was, and where it goes."""
        old, new = [], []
        for number, reach, side in zip(drawn, self._reach, self.in_shape, strict=False):
            shift = int(number * (2 * reach + 1)) - reach
            shift = max(-side, min(shift, side))
            old.append(slice(max(0, -shift), side - max(0, shift)))
            new.append(slice(max(0, shift), side - max(0, -shift)))
        return tuple(old), tuple(new)


class CutoutSpec(AugmentationSpec):
    """Blots out a rectangle around a random pixel while training, so that the network looks at the rest too."""

    formula: ClassVar[str] = (
        r"y_{ijc} = \begin{cases} 0 & |i - u| \le h/2 \text{ and } |j - v| \le w/2 \\ x_{ijc} & "
        r"\text{otherwise} \end{cases}"
    )
    source: ClassVar[str] = (
        "DeVries & Taylor 2017, Improved regularization of convolutional neural networks with cutout"
    )

    kind: Literal["cutout"] = "cutout"
    size: Pair = Field(
        (8, 8), description="Height and width, of which the border may cut off a part; one number: both."
    )

    def build(self, in_shape: Shape) -> "Cutout":
        """Build for images; raises `InvalidSpec` for other rows."""
        self.check(in_shape)
        return Cutout(in_shape, self.size)


class Cutout(MovedPixels):
    """Multiplies by 0 inside of the rectangle and by 1 outside."""

    def __init__(self, shape: Shape, size: tuple[int, int]) -> None:
        super().__init__(shape, shape)
        self._size = size

    def move(self, image: Pixels, drawn: Array, out: Pixels) -> None:
        """y_ij = 0 inside of the rectangle, else x_ij."""
        np.copyto(out, image)
        out[
            tuple(
                slice(max(0, (start := int(number * side) - size // 2)), start + size)
                for number, side, size in zip(drawn, self.in_shape, self._size, strict=False)
            )
        ].fill(ZEROS)

    def move_back(self, slope: Pixels, drawn: Array, out: Pixels) -> None:
        """A diagonal matrix is its own transpose."""
        self.move(slope, drawn, out)
