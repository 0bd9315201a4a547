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


def read_spread(path: Path, most: int) -> tuple[pl.DataFrame, int]:
    """At most so many rows of a kept table, evenly spread, and how many it has; raises as `read_kept` does."""
    with path.open("rb") as file:
        table = pl.scan_ipc(file)
        rows = int(table.select(pl.len()).collect().item())
        return table.gather_every(max(-(-rows // most), 1)).collect(engine="streaming"), rows
