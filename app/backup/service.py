"""Backing up, checking a backup, and restoring one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import MetaData, inspect

from app.backup import archive, rows, snapshot
from app.backup.archive import Manifest
from app.backup.snapshot import TABLES
from app.backup.verification import verify
from app.database import Database
from app.ids import new_id
from app.schema import current, head, upgrade
from app.settings import Settings
from app.storage import Storage, sync

FILES = ("datasets", "models", "checkpoints", "predictions")  # the folders of files that rows name


class CannotBackUp(Exception):
    """Nothing to back up, or not as this version knows it."""


class CannotRestore(Exception):
    """Something is there already."""


def backup(settings: Settings, file: Path) -> Manifest:
    """Write a new archive of the database and all its files, as they are at one moment, while the service runs.

    Raises `CannotBackUp`, `FileExistsError`, `snapshot.FileMissing` and `OSError`.
    """
    if file.exists():
        raise FileExistsError(f"{file} exists already")
    with closing(Database(settings.url)) as database:
        revision = current(database) if settings.data.is_dir() else None
        if revision is None:
            raise CannotBackUp(f"there is no service's data in {settings.data}, or its database is empty")
        if revision != head():
            raise CannotBackUp(
                f"the database is of another version ({revision}): run `backpropd migrate` first"
            )
        storage = Storage(settings.data)
        with storage.scratch(new_id("bak")) as folder:
            snapshot.take(database, storage, folder)
            return archive.pack(folder, file, revision)


def check(file: Path) -> Manifest:
    """Unpack an archive beside it and look at everything in it; raises `archive.DamagedArchive`."""
    with tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.absolute().parent) as scratch:
        return _unpacked(file, Path(scratch))


def restore(settings: Settings, file: Path) -> Manifest:
    """Check an archive, then make the data folder and the database what they were.

    A job that ran then goes on from its checkpoint. Raises `CannotRestore`, `archive.DamagedArchive` and `OSError`;
    then nothing was changed.
    """
    _refuse_what_is_there(settings)
    with _undone_if_it_fails(settings):
        storage = Storage(settings.data)
        with storage.scratch(new_id("bak")) as folder:
            manifest = _unpacked(file, folder)
            _move_files(folder, storage)
            upgrade(settings.url, manifest.revision)
            with closing(Database(settings.url)) as database, database.write() as session:
                rows.load(session.connection(), folder / TABLES)
            upgrade(settings.url, head())
    return manifest


def _unpacked(file: Path, folder: Path) -> Manifest:
    manifest = archive.unpack(file, folder)
    verify(folder, manifest)
    return manifest


def _refuse_what_is_there(settings: Settings) -> None:
    if settings.data.exists() and any(settings.data.iterdir()):
        raise CannotRestore(
            f"{settings.data} is not empty: restore into a new folder, and keep the old one until then"
        )
    if settings.database_url is not None and _tables(settings):
        raise CannotRestore("the database has tables already: restore into a new one")


def _tables(settings: Settings) -> list[str]:
    with closing(Database(settings.url)) as database:
        return inspect(database.engine).get_table_names()


@contextmanager
def _undone_if_it_fails(settings: Settings) -> Iterator[None]:
    """The folder was empty and the database without tables before: so they are again."""
    try:
        yield
    except BaseException:
        if settings.database_url is not None:
            with closing(Database(settings.url)) as database, database.engine.begin() as connection:
                tables = MetaData()
                tables.reflect(connection)
                tables.drop_all(connection)
        for path in settings.data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _move_files(folder: Path, storage: Storage) -> None:
    """To their places, durably: files before rows."""
    for name in FILES:
        for path in sorted((folder / name).rglob("*")):
            target = storage.root / path.relative_to(folder)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                path.rename(target)
        for path in (storage.root / name, *(storage.root / name).glob("*/")):
            sync(path)
    sync(storage.root)
