"""Images in folders: each file is a row, its folder the class.

Nothing is unpacked to a disk: names serve as labels alone. All images get one size and one number of channels,
since a network reads one shape.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

import numpy as np
import polars as pl

from app.datasets.archives import content, is_link, opened
from app.datasets.reading_options import ReadOptions
from app.datasets.unreadable import unreadable
from engine.arrays import Shape
from engine.encoding import DatasetWarning
from engine.encoding.array_columns import series_of
from engine.encoding.pictures import Look, UnreadableImage, look, pixels

ENDINGS = (".png", ".jpg", ".jpeg")
IMAGES_AT_MOST = 500_000
SIDE_AT_MOST = 224
"""Larger images are made smaller where `image_size` is left out, so that the longer side has as many pixels."""
PIXEL_BYTES_AT_MOST = 1 << 30
NAMED_AT_MOST = 3


class _File(NamedTuple):
    entry: ZipInfo
    folder: str | None


def read_images(path: Path, options: ReadOptions) -> tuple[pl.DataFrame, list[DatasetWarning]]:
    """The columns `image` and, where the images lie in folders, `label`; other files are left out with a warning.

    Raises `Invalid` that names the first file that cannot be read.
    """
    with opened(path, "zip archive", options.most_bytes) as archive:
        files, others = _sorted_out(archive.infolist())
        shape = _shape([_looked(archive, file) for file in files], options.image_size)
        if len(files) * shape[0] * shape[1] * shape[2] > PIXEL_BYTES_AT_MOST:
            raise unreadable(
                f"{len(files):,} images of {shape[1]} x {shape[0]} pixels are more than the {PIXEL_BYTES_AT_MOST:,} "
                "bytes that are kept: choose a smaller image_size"
            )
        images = np.empty((len(files), *shape), np.uint8)
        for image, file in zip(images, files, strict=True):
            try:
                image[:] = pixels(content(archive, file.entry), shape)
            except UnreadableImage as error:
                raise _bad(file, error) from None
    frame = pl.DataFrame([series_of("image", images)])
    if files[0].folder is not None:
        frame = frame.with_columns(pl.Series("label", [file.folder for file in files], pl.String))
    return frame, _warnings(others)


def _sorted_out(entries: Sequence[ZipInfo]) -> tuple[list[_File], list[str]]:
    """The images, in the order of their names, and the names of what is left out; what systems hide is neither."""
    files, others = [], []
    for entry in sorted(entries, key=lambda entry: entry.filename):
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if (
            not path.parts
            or entry.is_dir()
            or any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
        ):
            continue
        outside = path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or is_link(entry)
        if outside or path.suffix.lower() not in ENDINGS:
            others.append(entry.filename)
        else:
            files.append(_File(entry, path.parent.name or None))
    if not files:
        raise unreadable("the archive holds no PNG or JPEG file")
    if len(files) > IMAGES_AT_MOST:
        raise unreadable(f"there are {len(files):,} images; at most {IMAGES_AT_MOST:,} are read")
    folders = {file.folder is None for file in files}
    if len(folders) > 1:
        name = next(file.entry.filename for file in files if file.folder is None)
        raise unreadable(f"{name[:200]!r} lies in no folder, but others do: the folder is the image's class")
    return files, others


def _looked(archive: ZipFile, file: _File) -> Look:
    try:
        return look(content(archive, file.entry))
    except UnreadableImage as error:
        raise _bad(file, error) from None


def _bad(file: _File, error: UnreadableImage) -> Exception:
    return unreadable(f"the image {file.entry.filename[:200]!r} cannot be used: {error}")


def _shape(looks: Sequence[Look], image_size: int | None) -> Shape:
    """Height, width and channels: the most frequent size, made smaller; grey if all are."""
    channels = 1 if all(grey for _, _, grey in looks) else 3
    if image_size is not None:
        return image_size, image_size, channels
    sizes = Counter((height, width) for height, width, _ in looks)
    (height, width), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    scale = min(1.0, SIDE_AT_MOST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def _warnings(others: Sequence[str]) -> list[DatasetWarning]:
    if not others:
        return []
    named = ", ".join(repr(name[:60]) for name in others[:NAMED_AT_MOST])
    more = f" and {len(others) - NAMED_AT_MOST} more" if len(others) > NAMED_AT_MOST else ""
    detail = f"files that are no PNG or JPEG in a folder of the archive are left out: {named}{more}"
    return [DatasetWarning(code="ignored_files", column=None, detail=detail)]
