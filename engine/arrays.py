"""The two words that all of the mathematics uses: an array of floats and its shape."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Shape = tuple[int, ...]


def size(shape: Shape) -> int:
    """The number of values in `shape`, in Python's unbounded integers."""
    product = 1
    for side in shape:
        product *= side
    return product
