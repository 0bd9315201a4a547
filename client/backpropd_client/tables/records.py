"""Records: dicts by column name."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from backpropd_client.tables.base import Upload, pieces, plain


class Records:
    """A list of dicts, or a single one, which is answered by itself."""

    target: str | list[str] | None = None

    def __init__(self, rows: Sequence[Mapping[str, Any]], *, alone: bool) -> None:
        self._rows = [{str(name): plain(value) for name, value in row.items()} for row in rows]
        self._alone = alone

    @classmethod
    def of(cls, data: object) -> "Records":
        """The records; raises `TypeError` for what is none of the kinds of tables."""
        if isinstance(data, Mapping):
            return cls([data], alone=True)
        if (
            isinstance(data, Sequence)
            and not isinstance(data, str | bytes)
            and all(isinstance(row, Mapping) for row in data)
        ):
            return cls(data, alone=False)
        raise TypeError(
            "rows are a list of dicts, a pandas or polars DataFrame, or a NumPy array, "
            f"not {type(data).__name__}"
        )

    def write(self, folder: Path) -> Upload:
        """One JSON object a line."""
        path = folder / "table.ndjson"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in self._rows)
        return Upload(path, "application/x-ndjson")

    def bodies(self, features: Sequence[str]) -> Iterator[dict[str, Any]]:
        """As they are: what is missing or not known is said in the answers' warnings."""
        return ({"records": self._rows[piece]} for piece in pieces(len(self._rows), len(features)))

    def records(self, features: Sequence[str]) -> list[dict[str, Any]]:
        """As they are."""
        return self._rows

    def answer(self, columns: Mapping[str, Sequence[Any]], *, single: bool, by_row: bool = True) -> Any:  # noqa: ANN401
        """A list of values, or of dicts; of a single record only that."""
        if single:
            (values,) = columns.values()
            answers = list(values)
        else:
            answers = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return answers[0] if self._alone and by_row else answers
