"""NumPy's .npz: the arrays x and y, without pickle.

`np.load` believes what a header says: 128 bytes can make it ask for 32 GiB. Here a header has to agree with the
number of bytes that are there before anything is made of them.
"""

from io import BytesIO
from math import prod
from pathlib import Path

import numpy as np
import polars as pl
from numpy.lib import format as npy
from numpy.typing import NDArray

from app.datasets.archives import content, opened
from app.datasets.reading_options import ReadOptions
from app.datasets.unreadable import unreadable
from engine.encoding.array_columns import VALUES_AT_MOST, series_of

COLUMNS_AT_MOST = 256
"""An x of (rows, columns) with more columns than these is one column of arrays."""
KINDS = {"b": "truth values", "i": "whole numbers", "u": "whole numbers", "f": "numbers", "U": "text"}
"""Kinds of dtypes that are read, and what they hold."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(path: Path, options: ReadOptions) -> pl.DataFrame:
    """The table of the arrays `x` (rows, ...) and, if it is there, `y` (rows,) or (rows, targets).

    An x of two axes makes the columns x0, x1, ..., or one of arrays where they are more than 256; an x of more
    axes makes one column of arrays, of images where it holds bytes with 1 or 3 channels, or (rows, height, width).
    """
    with opened(path, "npz file", options.most_bytes) as archive:
        entries = {entry.filename.removesuffix(".npy").lower(): entry for entry in archive.infolist()}
        if "x" not in entries:
            there = ", ".join(repr(name[:40]) for name in list(entries)[:10]) or "none"
            raise unreadable(f"the file needs an array x, and y for a target; there is {there}")
        arrays = {
            name: read_array(content(archive, entries[name]), name) for name in ("x", "y") if name in entries
        }
    x, y = arrays["x"], arrays.get("y")
    if x.ndim == 0 or (y is not None and y.ndim == 0):
        raise unreadable("x and y need an axis of rows")
    if y is not None and len(y) != len(x):
        raise unreadable(f"x has {len(x):,} rows, but y has {len(y):,}")
    return pl.DataFrame(
        [*_columns(x, "x", COLUMNS_AT_MOST), *([] if y is None else _columns(y, "y", 10_000))]
    )


def read_array(data: bytes, name: str) -> NDArray[np.generic]:
    """The array in the bytes of a .npy file; a view of them where it can be."""
    file = BytesIO(data)
    try:
        version = npy.read_magic(file)
        shape, fortran, dtype = _HEADERS[version](file)
    except KeyError:
        raise unreadable(f"array {name}: its format is newer than version 2.0 of .npy") from None
    except Exception as error:  # noqa: BLE001 - SyntaxError, TypeError and others, as the header is broken
        raise unreadable(f"array {name} is no .npy file: {str(error)[:200]}") from None
    if dtype.kind not in KINDS or dtype.hasobject or dtype.itemsize == 0:
        raise unreadable(f"array {name} holds {str(dtype)[:100]}; numbers, truth values and text are read")
    start, values = file.tell(), prod(shape)
    if any(side < 0 for side in shape) or values * dtype.itemsize != len(data) - start:
        raise unreadable(
            f"array {name} has shape {list(shape)[:10]} of {dtype.itemsize} bytes each, "
            f"but {len(data) - start:,} bytes are there"
        )
    if not values:
        raise unreadable(f"array {name} of shape {list(shape)[:10]} is empty")
    flat = np.frombuffer(data, dtype, offset=start)
    array = flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)
    native: NDArray[np.generic] = array.astype(_read_as(dtype), order="C", copy=False)
    return native


def _read_as(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """In this machine's byte order; half and extended precision as what polars has."""
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return np.dtype(np.float64 if dtype.itemsize > 8 else np.float32)
    return dtype.newbyteorder("=")


def _columns(array: NDArray[np.generic], name: str, most: int) -> list[pl.Series]:
    """The columns of an array: itself, one a column, or one of arrays."""
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
        return [_scalars(name, array.reshape(-1))]
    if array.ndim == 2 and array.shape[1] <= most:
        return [_scalars(f"{name}{i}", column) for i, column in enumerate(array.T)]
    if array.dtype.kind == "U":
        raise unreadable(f"array {name} holds text in {array.ndim} axes; only numbers are read so")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype == np.uint8 and array.ndim == 3:
        array = array[..., np.newaxis]
    if prod(array.shape[1:]) > VALUES_AT_MOST:
        raise unreadable(f"a row of array {name} holds more than {VALUES_AT_MOST:,} values")
    return [series_of(name, array if array.dtype == np.uint8 else array.astype(np.float32))]


def _scalars(name: str, values: NDArray[np.generic]) -> pl.Series:
    if values.dtype.kind == "U":
        return pl.Series(name, _texts(values, name), pl.String)
    return pl.Series(name, np.ascontiguousarray(values))


def _texts(values: NDArray[np.generic], name: str) -> list[str]:
    """NumPy does not look whether the characters of a text exist."""
    try:
        texts = [str(value) for value in values]
        "".join(texts).encode()
    except (ValueError, UnicodeError):
        raise unreadable(f"array {name} holds text that is not Unicode") from None
    if any("\0" in text for text in texts):
        raise unreadable(f"array {name} holds a NUL, which text never does")
    return texts
