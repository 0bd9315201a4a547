"""The handwritten digits that the scripts of this folder learn, as images of 8x8 pixels from 0 to 16."""

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SIDE = 8
Image = tuple[tuple[int, ...], ...]  # rows of pixels


@dataclass(frozen=True)
class Digits:
    """Images and what they show."""

    images: Sequence[Image]
    labels: Sequence[int]

    def columns(self) -> dict[str, list[int]]:
        """A table with a column a pixel, row by row from the top left one, and the column `digit`."""
        flat = zip(*map(pixels, self.images), strict=True)
        return {f"p{i}": list(values) for i, values in enumerate(flat)} | {"digit": list(self.labels)}


def load() -> tuple[Digits, Digits]:
    """Training and test digits: the first two thirds and the rest."""
    path = Path(__file__).parent / "digits.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        rows = [tuple(map(int, row)) for row in list(csv.reader(file))[1:]]
    images = [tuple(row[start : start + SIDE] for start in range(0, SIDE**2, SIDE)) for row in rows]
    labels = [row[-1] for row in rows]
    split = 2 * len(rows) // 3
    return Digits(images[:split], labels[:split]), Digits(images[split:], labels[split:])


def pixels(image: Image) -> tuple[int, ...]:
    """The pixels in one row."""
    return tuple(pixel for row in image for pixel in row)


def padded(image: Image, side: int, down: int = 0, right: int = 0) -> Image:
    """The image in the middle of a larger one of side x side, moved by so many pixels; zeros around it."""
    margin = (side - SIDE) // 2
    top, left = margin + down, margin + right
    empty = (0,) * side
    rows = [(0,) * left + row + (0,) * (side - SIDE - left) for row in image]
    return (*[empty] * top, *rows, *[empty] * (side - SIDE - top))
