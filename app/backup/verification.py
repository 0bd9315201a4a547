"""Whether an unpacked archive can be gone back to: its rows agree with each other and with its files."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.backup import rows
from app.backup.archive import DamagedArchive, Manifest
from app.backup.snapshot import TABLES
from app.database import Database
from app.schema import UnknownRevision, upgrade
from engine import checkpoint
from engine.ensemble import load_model_file
from engine.model_file import UnreadableModel


def verify(folder: Path, manifest: Manifest) -> None:
    """Fill a scratch database with the rows and open every file; raises `DamagedArchive`.

    That the files are those that were backed up is known: `unpack` compares their hashes.
    """
    database = Database(f"sqlite:///{folder / 'verify.db'}")
    with closing(database):
        try:
            upgrade(f"sqlite:///{folder / 'verify.db'}", manifest.revision)
            _check_rows(database, folder)
        except UnknownRevision:
            raise DamagedArchive(
                f"its tables are of the revision {manifest.revision[:100]!r}, which this version does not know; "
                "a newer version made it"
            ) from None
        except FileNotFoundError as error:
            raise DamagedArchive(f"the rows of a table are missing: {Path(error.filename).name}") from None
        except (DBAPIError, ValueError, KeyError) as error:
            raise DamagedArchive(f"its rows do not fit their tables: {str(error)[:200]}") from None
    for problem in _problems_of_files(folder, manifest):
        raise DamagedArchive(problem)


def _check_rows(database: Database, folder: Path) -> None:
    with database.engine.connect().execution_options(writer=True) as connection:
        connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")  # all are checked together, below
        with connection.begin():
            rows.load(connection, folder / TABLES)
            broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        raise DamagedArchive(f"a row of {broken[0][0]} refers to a row of {broken[0][2]} that is not there")


def _problems_of_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    tables = folder / TABLES
    for row in rows.read(tables, "datasets"):
        name = f"datasets/{row['id']}.arrow"
        if name not in manifest.files:
            yield f"{name} is missing, which the data set {row['name']!r} needs"
        elif (found := _length(folder / name)) != row["rows"]:
            yield f"{name} holds {found} rows in place of {row['rows']}"
    for row in rows.read(tables, "models"):
        name = f"models/{row['id']}.safetensors"
        yield from _problem_of(name, row["sha256"], manifest)
        try:
            load_model_file(folder / name)
        except UnreadableModel as error:
            yield f"{name} does not load: {error}"
    for row in rows.read(tables, "checkpoints"):
        yield from _problem_of(row["file"], row["sha256"], manifest)
        try:
            checkpoint.load(folder / row["file"])
        except ValueError as error:
            yield f"{row['file']} does not load: {error}"
    for row in rows.read(tables, "batch_files"):
        yield from _problem_of(f"predictions/{row['id']}.{row['format']}", row["sha256"], manifest)


def _length(path: Path) -> int | str:
    try:
        return int(pl.scan_ipc(path).select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        return f"no ({error})"


def _problem_of(name: str, sha256: str, manifest: Manifest) -> Iterator[str]:
    if name not in manifest.files:
        yield f"{name} is missing, which a row names"
    elif manifest.files[name].sha256 != sha256:
        yield f"{name} is not the file that its row was written for: the SHA-256 differs"
