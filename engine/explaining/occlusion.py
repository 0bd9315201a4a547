"""Occlusion: what a patch of an image is worth, by how much the score falls when it is covered."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec, Unexplainable
from engine.explaining.scores import Values

ROWS_AT_ONCE = 1024


class OcclusionSpec(ExplanationSpec):
    """How much a score falls when a square patch of the image is replaced by the reference's.

    The patch slides over the image; each pixel has the mean over the patches that cover it.
    """

    method: Literal["occlusion"] = "occlusion"
    patch: int | None = Field(
        None, ge=1, description="Side of the patch in pixels; left out, a quarter of the shorter side."
    )
    stride: int | None = Field(
        None, ge=1, description="Pixels from patch to patch; left out, half of the patch's side."
    )

    formula = r"M_p = \frac{1}{|\{P \ni p\}|} \sum_{P \ni p} \left(F(x) - F(x \text{ with } x'_P \text{ in } P)\right)"
    source = "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2"
    cost = "one forward pass a record and patch"


def occlusion(
    f: Callable[[Array], Values],
    row: Array,
    reference: Array,
    shape: tuple[int, int, int],
    spec: OcclusionSpec,
) -> Values:
    """The map (height, width) of row (width,), which is an image of `shape`; f gives one score a row.

    Raises `Unexplainable` for a stride that leaves pixels out.
    """
    height, width, _ = shape
    side = spec.patch or max(1, min(height, width) // 4)
    stride = spec.stride or max(1, side // 2)
    if stride > side:
        raise Unexplainable(f"a stride of {stride} leaves pixels out between patches of {side}", "stride")
    corners = [(top, left) for top in _starts(height, side, stride) for left in _starts(width, side, stride)]
    image, cover = row.reshape(shape), reference.reshape(shape)
    score = float(f(row[np.newaxis])[0])
    falls, counts = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(corners), ROWS_AT_ONCE):
        some = corners[start : start + ROWS_AT_ONCE]
        covered = np.repeat(image[np.newaxis], len(some), axis=0)
        for one, (top, left) in zip(covered, some, strict=True):
            one[top : top + side, left : left + side] = cover[top : top + side, left : left + side]
        for (top, left), left_over in zip(some, f(covered.reshape(len(some), -1)), strict=True):
            falls[top : top + side, left : left + side] += score - left_over
            counts[top : top + side, left : left + side] += 1
    return falls / counts


def _starts(length: int, side: int, stride: int) -> list[int]:
    """Where patches begin along one axis; the last one ends with it."""
    last = max(length - side, 0)
    return sorted({*range(0, last, stride), last})
