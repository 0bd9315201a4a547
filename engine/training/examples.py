"""Encoded rows, as training and validation take them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.arrays import Array


class Batch(NamedTuple):
    """Views of neighbouring rows."""

    x: Array  # (rows, *in_shape)
    y: Array  # (rows, *out_shape)
    weight: Array | None = None  # (rows,); None: all ones

    @property
    def total_weight(self) -> float:
        """The sum of the rows' weights."""
        return len(self.x) if self.weight is None else float(self.weight.sum())


@dataclass(frozen=True)
class Examples:
    """Encoded rows, C-contiguous and in the network's dtype; raises `ValueError` if they do not fit.

    They may be memory maps, which need no more memory than is read at a time.
    """

    x: Array  # (rows, *in_shape)
    y: Array  # (rows, *out_shape)
    weight: Array | None = None  # (rows,), none below 0 and not all of them 0; None: all ones

    def __post_init__(self) -> None:
        for name in ("x", "y", "weight"):
            if isinstance(array := getattr(self, name), np.memmap):  # slices of plain arrays cost less
                object.__setattr__(self, name, np.asarray(array))
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
        return cut(self.arrays, len(self), size)


def cut(arrays: tuple[Array, ...], rows: int, size: int) -> Iterator[Batch]:
    """The first `rows` rows of x, y and perhaps weight, `size` at a time; the last batch holds what is left."""
    whole = rows - rows % size
    # Quicker than to slice each batch: the views of the arrays' rows, where a row is a whole batch.
    yield from map(Batch, *(array[:whole].reshape(-1, size, *array.shape[1:]) for array in arrays))
    if whole < rows:
        yield Batch(*(array[whole:rows] for array in arrays))
