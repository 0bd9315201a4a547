"""One moment of a running service: all rows, and a second name for each file that they name.

The moment is one at which no writer is inside a transaction: then what is written before its row is there, and what
is removed after its row is there still. Writers wait for as long as the links take, not for the rest.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, select, text

from app.backup import rows
from app.batches.store import BatchFileRow
from app.database import Database
from app.datasets.store import DatasetRow
from app.jobs.store import CheckpointRow
from app.models.store import ModelRow
from app.storage import Storage

TABLES = "tables"  # the folder of the rows


class FileMissing(Exception):
    """A row names a file that is not there."""


def take(database: Database, storage: Storage, folder: Path) -> None:
    """Write the rows into `folder`/tables and link the files beside; raises `FileMissing`."""
    with _moment(database, storage, folder) as connection:
        rows.dump(connection, folder / TABLES)


@contextmanager
def _moment(database: Database, storage: Storage, folder: Path) -> Iterator[Connection]:
    """A connection that goes on seeing the moment at which the files were linked."""
    if database.engine.dialect.name == "sqlite":
        copied = folder / "copy.db"
        with database.frozen():
            _copy_sqlite(Path(database.engine.url.database or ""), copied)
            copy = Database(f"sqlite:///{copied}")
            with copy.engine.connect() as connection:
                _link_files(connection, storage, folder)
        with closing(copy), copy.engine.connect() as connection:
            yield connection
        for path in folder.glob("copy.db*"):
            path.unlink()
    else:
        snapshot = database.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        with snapshot.connect() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            with database.frozen():  # the snapshot is that of the first query
                _link_files(connection, storage, folder)
            yield connection


def _copy_sqlite(path: Path, copied: Path) -> None:
    """Copy the database in one go: every transaction that is in it is whole."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copied)) as target:
        source.backup(target)


def _link_files(connection: Connection, storage: Storage, folder: Path) -> None:
    for path in named_files(connection, storage):
        link = folder / path.relative_to(storage.root)
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, link)
        except FileNotFoundError:
            raise FileMissing(f"{path} is not there, although the database names it") from None
        except OSError:  # a file system without links
            shutil.copyfile(path, link)


def named_files(connection: Connection, storage: Storage) -> Iterator[Path]:
    """Every file that a row names."""
    for dataset_id in connection.scalars(select(DatasetRow.id)):
        yield storage.dataset(dataset_id)
    for model_id in connection.scalars(select(ModelRow.id)):
        yield storage.model(model_id)
    for file in connection.scalars(select(CheckpointRow.file)):
        yield storage.root / file
    for batch_id, format_ in connection.execute(select(BatchFileRow.id, BatchFileRow.format)):
        yield storage.batch(batch_id, format_)
