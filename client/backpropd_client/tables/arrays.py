"""NumPy's arrays: x of (rows, ...), and y beside it where it is to be learned from.

The service calls the columns of an x of two axes x0, x1, ...; one of more axes is one column x of arrays or images.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpropd_client.tables.base import Upload, pieces, plain

_NUMBERED = re.compile(r"x(\d+)")


def table_of(data: object) -> "ArrayTable | None":
    """The table, if it is one."""
    if isinstance(data, np.ndarray):
        return ArrayTable(data, None)
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], np.ndarray):
        return ArrayTable(data[0], np.asarray(data[1]))
    return None


class ArrayTable:
    """An array of rows, or a pair of x and y."""

    def __init__(self, x: NDArray[Any], y: NDArray[Any] | None) -> None:
        self._x = x
        self._y = y
        self.target: str | list[str] | None = None if y is None else _names_of(y)

    def write(self, folder: Path) -> Upload:
        """An npz file; objects are written as text, or as numbers where they are all numbers."""
        path = folder / "table.npz"
        if self._y is None:
            np.savez(path, x=_typed(self._x))
        else:
            np.savez(path, x=_typed(self._x), y=_typed(self._y))
        return Upload(path, "application/x-npz")

    def bodies(self, features: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The columns that the features are, in their order."""
        x = self._chosen(features)
        for piece in pieces(len(x), x[:1].size):
            yield {"inputs": plain(x[piece])}

    def records(self, features: Sequence[str]) -> list[dict[str, Any]]:
        """By the names that the service has for the columns."""
        return [dict(zip(features, plain(row), strict=True)) for row in self._chosen(features)]

    def answer(self, columns: Mapping[str, Sequence[Any]], *, single: bool, by_row: bool = True) -> Any:  # noqa: ANN401
        """An array of (rows,) or of (rows, columns)."""
        arrays = [_array(values) for values in columns.values()]
        return arrays[0] if single else np.column_stack(arrays)

    def _chosen(self, features: Sequence[str]) -> NDArray[Any]:
        """The values of the features (rows, features, ...); raises `ValueError` where columns are missing."""
        x: NDArray[Any] = self._x.reshape(-1, 1) if self._x.ndim == 1 else self._x
        if list(features) == ["x"]:  # a column of arrays, or the only one
            return x if x.ndim == 2 and x.shape[1] == 1 else x[:, np.newaxis]
        numbers = [_NUMBERED.fullmatch(name) for name in features]
        if not all(numbers):  # trained from named columns: these in their order
            if x.shape[1:] != (len(features),):
                raise ValueError(
                    f"rows have the model's features {', '.join(features)} in this order: "
                    f"(rows, {len(features)}), not {x.shape}"
                )
            return x
        chosen = [int(number[1]) for number in numbers if number is not None]
        if x.ndim != 2 or x.shape[1] <= max(chosen):
            raise ValueError(f"the model takes rows of at least {max(chosen) + 1} columns, not {x.shape}")
        return x[:, chosen]


def _names_of(y: NDArray[Any]) -> str | list[str]:
    """The columns that the service makes of y."""
    one = y.ndim == 1 or y.shape[1] == 1
    return "y" if one else [f"y{number}" for number in range(y.shape[1])]


def _typed(array: NDArray[Any]) -> NDArray[Any]:
    """Without objects, which only pickle can write."""
    if array.dtype != object:
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return array.astype(np.str_)


def _array(values: Sequence[Any]) -> NDArray[Any]:
    """The values; what is missing among numbers is NaN."""
    if None in values:
        return np.array([np.nan if value is None else value for value in values])
    return np.array(values)
