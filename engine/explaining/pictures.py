"""Maps and surfaces as PNG."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.arrays import Array
from engine.explaining.scores import Values

SIDE = 256
"""Pixels that the shorter side of a picture has at least: a small image is enlarged by whole numbers."""
MOST_OPAQUE = 0.75
"""How much of the image the strongest color covers."""
FOR, AGAINST = np.array([214.0, 39, 40]), np.array([31.0, 119, 180])
"""The colors of what speaks for a score and of what speaks against it: red and blue."""
CLASSES = np.array(
    [
        [0, 114, 178],
        [230, 159, 0],
        [0, 158, 115],
        [204, 121, 167],
        [86, 180, 233],
        [213, 94, 0],
        [240, 228, 66],
        [110, 110, 110],
    ],
    np.float64,
)
"""Colors that people tell apart whatever colors they see (Okabe & Ito 2008); from the ninth class on again."""
LOW, HIGH = np.array([13.0, 22, 73]), np.array([253.0, 231, 37])
"""The colors of the smallest and of the largest value."""

Pixels = NDArray[np.uint8]


def overlay(image: Array, strength: Values) -> bytes:
    """An image (height, width, channels) in gray with a map (height, width) over it: red for, blue against."""
    gray = image.astype(np.float64).mean(axis=2)
    span = gray.max() - gray.min()
    gray = (gray - gray.min()) / span * 255 if span > 0 else np.full(gray.shape, 127.0)
    largest = float(np.abs(strength).max())
    opacity = MOST_OPAQUE * np.abs(strength) / (largest or 1.0)
    color = np.where(strength[..., np.newaxis] > 0, FOR, AGAINST)
    mixed = gray[..., np.newaxis] * (1 - opacity[..., np.newaxis]) + color * opacity[..., np.newaxis]
    return png(mixed)


def surface(scores: Values, *, classes: bool) -> bytes:
    """Scores (y values, x values, scores), the first y at the bottom.

    Classes: their colors mixed by their probabilities. Else the first score, from dark (small) to bright.
    """
    if classes:
        palette = CLASSES[np.arange(scores.shape[2]) % len(CLASSES)]
        mixed = np.clip(scores @ palette, 0, 255)
    else:
        values = scores[..., 0]
        span = float(values.max() - values.min())
        share = (values - values.min()) / span if span > 0 else np.zeros(values.shape)
        mixed = LOW + share[..., np.newaxis] * (HIGH - LOW)
    return png(mixed[::-1])


def png(pixels: Values) -> bytes:
    """Red, green and blue (height, width, 3) from 0 to 255, enlarged where they are few."""
    times = max(1, -(-SIDE // min(pixels.shape[:2])))
    whole: Pixels = np.round(np.clip(pixels, 0, 255)).astype(np.uint8)
    large = np.ascontiguousarray(whole.repeat(times, axis=0).repeat(times, axis=1))
    file = BytesIO()
    Image.fromarray(large).save(file, "PNG")
    return file.getvalue()
