"""Encoded rows, as training and validation take them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array


class Batch(NamedTuple):
    """Views of neighbouring rows."""

    x: Array  # (rows, *in_shape)
    y: Array  # (rows, *out_shape)
    weight: Array | None  # (rows,); None: all ones

    @property
    def total_weight(self) -> float:
        """The sum of the rows' weights."""
        return len(self.x) if self.weight is None else float(self.weight.sum())


@dataclass(frozen=True)
class Examples:
    """Encoded rows, C-contiguous and in the network's dtype; raises `ValueError` if they do not fit."""

    x: Array  # (rows, *in_shape)
    y: Array  # (rows, *out_shape)
    weight: Array | None = None  # (rows,), none below 0 and not all of them 0; None: all ones

    def __post_init__(self) -> None:
        arrays = self.arrays
        lengths = [len(array) for array in arrays]
        if lengths[0] == 0 or len(set(lengths)) > 1:
            raise ValueError(
                f"x, y and weight need one and the same number of rows above 0, but have {lengths}"
            )
        if len({array.dtype for array in arrays}) > 1:
            raise ValueError(f"x, y and weight need one dtype, but have {[str(a.dtype) for a in arrays]}")
        if not all(array.flags.c_contiguous for array in arrays):
            raise ValueError("x, y and weight must be C-contiguous")
        if self.weight is not None and not (self.weight.min() >= 0 and self.weight.max() > 0):
            raise ValueError("weights must be 0 or more, and not all 0")

    @property
    def arrays(self) -> tuple[Array, ...]:
        """x, y and the weight if there is one."""
        return (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)

    def __len__(self) -> int:
        return len(self.x)

    def batches(self, size: int) -> Iterator[Batch]:
        """The rows in order, `size` at a time; the last batch holds what is left."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield Batch(self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows])

    def copy(self) -> "Examples":
        """The same rows in memory of their own."""
        return Examples(*(array.copy() for array in self.arrays))

    def take(self, order: NDArray[np.intp], out: "Examples") -> None:
        """Write the rows in the given order into `out`, a copy of these examples."""
        for array, target in zip(self.arrays, out.arrays, strict=True):
            # mode="clip": the default mode gathers into a temporary array before it writes to `out`.
            np.take(array, order, axis=0, out=target, mode="clip")
