"""Tables as they are kept: Arrow IPC files that a change of types replaces while others read them."""

from pathlib import Path

import polars as pl


def read_kept(path: Path, offset: int = 0, rows: int | None = None) -> pl.DataFrame:
    """A kept table, or some rows of it; raises `FileNotFoundError` where it was deleted.

    Through an open file: given a path, polars opens it twice, for the schema and for the rows, and would
    mix two tables up where a change replaces the file in between.
    """
    with path.open("rb") as file:
        return pl.scan_ipc(file).slice(offset, rows).collect()
