"""polars' data frames."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from backpropd_client.tables.base import Upload, check_features, pieces, plain


def table_of(data: object) -> "PolarsTable | None":
    """The table, if it is one."""
    if isinstance(data, pl.LazyFrame):
        return PolarsTable(data.collect())
    return PolarsTable(data) if isinstance(data, pl.DataFrame) else None


class PolarsTable:
    """A `polars.DataFrame`, or a LazyFrame, which is collected."""

    target: str | list[str] | None = None

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self.columns = frame.columns

    def write(self, folder: Path) -> Upload:
        """Parquet."""
        path = folder / "table.parquet"
        self._frame.write_parquet(path)
        return Upload(path, "application/vnd.apache.parquet", types=self._types())

    def _types(self) -> dict[str, str]:
        """Categories are categories, also where they look like numbers."""
        dtypes = self._frame.schema.items()
        return {name: "categorical" for name, dtype in dtypes if dtype in (pl.Categorical, pl.Enum)}

    def bodies(self, features: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The values of the features, in their order."""
        check_features(features, self.columns)
        chosen = self._frame.select(pl.col(list(features)))
        for piece in pieces(chosen.height, len(features)):
            yield {"inputs": [plain(row) for row in chosen[piece].rows()]}

    def records(self, features: Sequence[str]) -> list[dict[str, Any]]:
        """Of the features alone."""
        check_features(features, self.columns)
        rows = self._frame.select(pl.col(list(features))).rows()
        return [dict(zip(features, plain(row), strict=True)) for row in rows]

    def answer(self, columns: Mapping[str, Sequence[Any]], *, single: bool, by_row: bool = True) -> Any:  # noqa: ANN401
        """A Series or a DataFrame."""
        if not single:
            return pl.DataFrame({name: list(values) for name, values in columns.items()})
        ((name, values),) = columns.items()
        return pl.Series(name, list(values))

    def joined(self, columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
        """The frame with these columns as well."""
        return self._frame.hstack([pl.Series(name, values) for name, values in columns.items()])
