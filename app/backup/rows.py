"""The rows of all tables as JSON lines, one file a table: the same from SQLite and PostgreSQL, and for both."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, DateTime, MetaData, Table, insert, select

BATCH = 500  # rows at a time
NOT_KEPT = {"alembic_version", "workers"}  # the manifest has the one; who is alive is nothing to go back to


def dump(connection: Connection, folder: Path) -> None:
    """Write every table into `folder`."""
    folder.mkdir()
    for table in tables(connection).sorted_tables:
        _dump_table(connection, table, folder / f"{table.name}.jsonl")


def _dump_table(connection: Connection, table: Table, path: Path) -> None:
    query = select(table).order_by(*table.primary_key)
    with path.open("x") as out:
        for row in connection.execution_options(yield_per=BATCH).execute(query).mappings():
            out.write(json.dumps(dict(row), default=_time) + "\n")


def _time(value: object) -> str:
    if isinstance(value, datetime):  # of the database: in UTC, without saying so
        return value.isoformat()
    raise TypeError(f"a backup has no form for {type(value).__name__}")


def load(connection: Connection, folder: Path) -> None:
    """Fill the empty tables of the revision that the rows were dumped from; each has its file."""
    for table in tables(connection).sorted_tables:
        _load_table(connection, table, folder / f"{table.name}.jsonl")


def tables(connection: Connection) -> MetaData:
    """The tables that the database has, whatever its revision, but those that are not kept."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name not in NOT_KEPT)
    for table in found.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
    return found


def _load_table(connection: Connection, table: Table, path: Path) -> None:
    times = [column.name for column in table.columns if isinstance(column.type, DateTime)]
    with path.open() as lines:
        rows = (_row(line, times) for line in lines)
        while batch := list(islice(rows, BATCH)):
            connection.execute(insert(table), batch)


def _row(line: str, times: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    for name in times:
        if row[name] is not None:
            row[name] = datetime.fromisoformat(row[name])
    return row


def read(folder: Path, table: str) -> Iterator[dict[str, Any]]:
    """The rows of one table as they were dumped; none where the table was not there yet."""
    path = folder / f"{table}.jsonl"
    if path.exists():
        with path.open() as lines:
            for line in lines:
                yield json.loads(line)
