"""The two words that all of the mathematics uses, an array of floats and its shape, and where long arrays begin."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating]
Shape = tuple[int, ...]

CACHE_LINE = 64
"""Bytes, as many as the widest vector of a processor has."""


def size(shape: Shape) -> int:
    """The number of values in `shape`, in Python's unbounded integers."""
    product = 1
    for side in shape:
        product *= side
    return product


def zeros(values: int, dtype: DTypeLike) -> Array:
    """A vector of zeros that begins where a cache line does.

    NumPy's own long ones begin 16 bytes into a page, so that each wide load and store touches two lines: a compiled
    pass over several of them takes up to two and a half times as long.
    """
    dtype = np.dtype(dtype)
    memory = np.zeros(values * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[start : start + values * dtype.itemsize].view(dtype)
