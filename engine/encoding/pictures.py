"""Images: from the bytes of a PNG or JPEG file to pixels, and back.

Pixels are uint8 (height, width, channels), 1 channel for grey, 3 for red, green and blue. What decodes here
comes from strangers: only these two formats are tried, and an image's size is looked at before its pixels are.
"""

from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from engine.arrays import Shape

PIXELS_AT_MOST = 1 << 24
"""Pixels of an image before it is resized: 16.8 million, as of 4096 x 4096."""

Image.MAX_IMAGE_PIXELS = None  # Pillow only warns at first; `_opened` refuses

Pixels = NDArray[np.uint8]

_FORMATS = ("PNG", "JPEG")
_GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "F"}
_ORIENTATION = 0x0112  # in EXIF; 5 to 8 lie on their side


class UnreadableImage(ValueError):
    """Bytes that are no image that is read here; the sentence says why."""


class Look(NamedTuple):
    """What an image's header tells."""

    height: int
    width: int
    grey: bool


def look(data: bytes) -> Look:
    """Read the header of a PNG or JPEG file. Raises `UnreadableImage`."""
    with _opened(data) as image:
        width, height = image.size
        if image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) >= 5:
            width, height = height, width
        return Look(height, width, image.mode in _GREY)


def pixels(data: bytes, shape: Shape) -> Pixels:
    """The pixels of a PNG or JPEG file, brought to `shape` (height, width, channels).

    Turned as its EXIF data say, transparent parts white, made grey where there is 1 channel, and resized by
    averaging where its size is another. Raises `UnreadableImage`.
    """
    with _opened(data) as image:
        try:
            return _shaped(ImageOps.exif_transpose(image), shape)
        except Exception as error:  # noqa: BLE001 - Pillow raises what its decoders do: OSError, SyntaxError, ...
            raise UnreadableImage(f"its pixels cannot be read ({error})") from None


def pixels_of_base64(text: str, shape: Shape) -> Pixels:
    """As `pixels`, of a file in base64, with or without `data:image/...;base64,` in front."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = b64decode(text, validate=True)
    except (NoBase64, ValueError):
        raise UnreadableImage("it is not base64") from None
    return pixels(data, shape)


def resized(image: Pixels, shape: Shape) -> Pixels:
    """Pixels brought to another `shape` (height, width, channels), as those of a file are."""
    return image if image.shape == shape else _shaped(_picture(image), shape)


def png(image: Pixels) -> bytes:
    """A PNG file of these pixels."""
    file = BytesIO()
    _picture(image).save(file, "PNG")
    return file.getvalue()


def png_base64(image: Pixels) -> str:
    """The same as base64 text."""
    return b64encode(png(image)).decode()


def _opened(data: bytes) -> Image.Image:
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
    except Exception:  # noqa: BLE001 - as above
        raise UnreadableImage("it is no PNG or JPEG file") from None
    width, height = image.size
    if width * height > PIXELS_AT_MOST:
        raise UnreadableImage(f"it has {width} x {height} pixels, more than {PIXELS_AT_MOST:,}")
    return image


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _shaped(image: Image.Image, shape: Shape) -> Pixels:
    height, width, channels = shape
    made = _of_mode(image, "L" if channels == 1 else "RGB")
    if made.size != (width, height):
        made = made.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(made).reshape(shape)


def _of_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
