"""Excel workbooks (.xlsx): one sheet, whose first row with a value holds the names of the columns."""

from pathlib import Path

import fastexcel
import polars as pl

from app.datasets.archives import opened
from app.datasets.reading_options import ReadOptions
from app.datasets.unreadable import check_columns, unreadable
from app.problems import Invalid

SHEETS_NAMED = 20


def read_excel(path: Path, options: ReadOptions) -> pl.DataFrame:
    """The table in the sheet of this name, or in the first one; rows without any value are left out.

    Dates and times become datetimes; formulas count with the value that they had when the file was saved, errors
    such as #N/A as missing. Raises `Invalid`.
    """
    with opened(path, "Excel (.xlsx) file", options.most_bytes):
        pass  # what it would grow to is looked at before another library does the reading
    try:
        book = fastexcel.read_excel(path.read_bytes())
        names = book.sheet_names
        sheet = _chosen(names, options.sheet)
        header = book.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_polars()
        table = book.load_sheet(sheet, schema_sample_rows=None).to_polars()
    except fastexcel.FastExcelError as error:
        raise unreadable(
            f"not a valid Excel (.xlsx) file: {str(error).partition(chr(10))[0][:300]}"
        ) from None
    table.columns = _column_names(header, table)
    return table.filter(pl.any_horizontal(pl.all().is_not_null()))


def _chosen(names: list[str], wanted: str | None) -> str:
    if wanted is None:
        if not names:
            raise unreadable("the file has no sheet")
        return names[0]
    if wanted not in names:
        there = ", ".join(repr(name[:40]) for name in names[:SHEETS_NAMED])
        raise Invalid.at(
            "/sheet", f"there is no sheet {wanted[:100]!r}; there are {there}", code="unreadable_file"
        )
    return wanted


def _column_names(header: pl.DataFrame, table: pl.DataFrame) -> list[str]:
    """The names as they stand in the sheet: the library numbers equal ones and invents missing ones."""
    names = ["" if value is None else str(value).strip() for value in header.row(0)] if header.height else []
    if len(names) != table.width:
        return list(table.columns)
    check_columns(names)
    return names
