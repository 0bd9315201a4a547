"""What this client asks of a table, whatever library it comes from."""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

ROWS_AT_MOST = 10_000
"""Rows that the service answers at a time."""
VALUES_AT_MOST = 500_000
"""Values that are sent at a time: some 10 MB of JSON."""


@dataclass(frozen=True)
class Upload:
    """A file to upload, and how its bytes are to be read.

    `types`: what the library says that columns are, where their values would be taken for something else.
    """

    path: Path
    media_type: str
    gzip: bool = False
    name: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)


class Table(Protocol):
    """Rows of a caller's; `target` is the column to learn, or columns, where the kind of table says which."""

    target: str | list[str] | None

    def write(self, folder: Path) -> Upload:
        """The table as a file in `folder`."""

    def bodies(self, features: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The rows as bodies of predictions, piece by piece; raises `ValueError` where a feature is not there."""

    def records(self, features: Sequence[str]) -> list[dict[str, Any]]:
        """The rows as JSON objects."""

    def answer(self, columns: Mapping[str, Sequence[Any]], *, single: bool, by_row: bool = True) -> Any:  # noqa: ANN401 - of its library
        """Columns as what the library has for them: a `single` one, or a table. `by_row`: they have a value a row."""


@runtime_checkable
class Frame(Table, Protocol):
    """A table whose columns have names."""

    columns: list[str]

    def joined(self, columns: Mapping[str, Sequence[Any]]) -> Any:  # noqa: ANN401
        """The library's frame with these columns as well."""


def pieces(rows: int, columns: int) -> Iterator[slice]:
    """Consecutive rows, as many at a time as one request takes."""
    size = max(1, min(ROWS_AT_MOST, VALUES_AT_MOST // max(1, columns)))
    return (slice(start, start + size) for start in range(0, rows, size))


def check_features(features: Sequence[str], columns: Sequence[str]) -> None:
    """Raise `ValueError` where the model asks for a column that the rows do not have."""
    missing = [name for name in features if name not in set(columns)]
    if missing:
        shown = ", ".join(map(repr, missing[:10]))
        raise ValueError(f"the model's features {shown} are not among the columns of the rows")


def plain(value: Any) -> Any:  # noqa: ANN401 - any value of a table
    """A value as JSON has it: missing and infinite numbers are null, times ISO 8601, bytes base64."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return plain(value.tolist())
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")
