"""Tables in and out: records, and the frames and arrays of pandas, polars and NumPy, whichever the caller has.

None of these libraries is imported here: a frame can only come from one that is there already.
"""

import sys
from importlib import import_module

from backpropd_client.tables.base import Table
from backpropd_client.tables.records import Records

_MODULES = {"pandas": "pandas_frames", "polars": "polars_frames", "numpy": "arrays"}


def table_of(data: object) -> Table:
    """The data as a table.

    Data are records (a list of dicts, or a single one), a pandas or polars DataFrame, a NumPy array of rows, or a
    pair of arrays (x, y). Raises `TypeError` for anything else.
    """
    for library, module in _MODULES.items():
        if library in sys.modules:
            table: Table | None = import_module(f"backpropd_client.tables.{module}").table_of(data)
            if table is not None:
                return table
    return Records.of(data)


__all__ = ["Table", "table_of"]
