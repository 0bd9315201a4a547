"""pandas' data frames."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from backpropd_client.tables.base import Upload, check_features, pieces, plain


def table_of(data: object) -> "PandasTable | None":
    """The table, if it is one."""
    return PandasTable(data) if isinstance(data, pd.DataFrame) else None


class PandasTable:
    """A `pandas.DataFrame`; its index is no column, and is that of the answers."""

    target: str | list[str] | None = None

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame.set_axis(frame.columns.map(str), axis="columns")
        self.columns = list(self._frame.columns)

    def write(self, folder: Path) -> Upload:
        """Parquet, for which pandas needs pyarrow; without it CSV, whose numbers come back as they were too."""
        if find_spec("pyarrow") is not None:
            path = folder / "table.parquet"
            self._frame.to_parquet(path, engine="pyarrow", index=False)
            return Upload(path, "application/vnd.apache.parquet", types=self._types())
        path = folder / "table.csv"
        self._frame.to_csv(path, index=False)
        return Upload(path, "text/csv", types=self._types())

    def _types(self) -> dict[str, str]:
        """Categories are categories, also where they are numbers."""
        dtypes = self._frame.dtypes.items()
        return {name: "categorical" for name, dtype in dtypes if isinstance(dtype, pd.CategoricalDtype)}

    def bodies(self, features: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The values of the features, in their order."""
        check_features(features, self.columns)
        for piece in pieces(len(self._frame), len(features)):
            columns = [_values(self._frame[name].iloc[piece]) for name in features]
            yield {"inputs": [list(row) for row in zip(*columns, strict=True)]}

    def records(self, features: Sequence[str]) -> list[dict[str, Any]]:
        """Of the features alone."""
        check_features(features, self.columns)
        columns = [_values(self._frame[name]) for name in features]
        return [dict(zip(features, row, strict=True)) for row in zip(*columns, strict=True)]

    def answer(self, columns: Mapping[str, Sequence[Any]], *, single: bool, by_row: bool = True) -> Any:  # noqa: ANN401
        """A Series or a DataFrame, with the rows' index where each has its answer."""
        index = self._frame.index if by_row else None
        if not single:
            return pd.DataFrame(dict(columns), index=index)
        ((name, values),) = columns.items()
        return pd.Series(list(values), index=index, name=name)

    def joined(self, columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
        """The frame with these columns as well."""
        return self._frame.assign(**columns)


def _values(column: pd.Series) -> list[Any]:
    """A column's values as JSON has them; all that pandas takes for missing is null."""
    return [
        None if missing else plain(value)
        for value, missing in zip(column.tolist(), column.isna(), strict=True)
    ]
