"""What is removed when a service starts: unfinished files of dead processes, finished ones that nothing names."""

import logging
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.batches.store import BatchFileRow
from app.database import Database
from app.datasets.store import DatasetRow
from app.jobs.store import CheckpointRow, JobRow, goes_on
from app.models.store import ModelRow
from app.storage import Storage, remove

_THINGS = (DatasetRow, ModelRow, JobRow)

logger = logging.getLogger(__name__)


def sweep(database: Database, storage: Storage) -> None:
    """Remove what crashes have left behind.

    A file without a row is either left over or about to get its row: only one that is a day old is
    removed, and only inside a writer's transaction, so that no row can come in between.
    """
    storage.sweep()
    for path in storage.orphans():
        with database.write() as session:
            if not _is_named(session, storage, path):
                logger.warning("removing a file that nothing names", extra={"file": path.name})
                remove(path)
    _sweep_checkpoints(database, storage)


def _is_named(session: Session, storage: Storage, path: Path) -> bool:
    """Whether a row names the file or the folder; parts, whose batch prediction has not ended."""
    if path.parent != storage.predictions:
        return any(session.get(row, path.stem) is not None for row in _THINGS)
    if path.is_dir():
        return goes_on(session, path.name)
    return session.get(BatchFileRow, path.stem) is not None


def _sweep_checkpoints(database: Database, storage: Storage) -> None:
    """Of jobs that are there: what their workers had no time to remove, and what was not finished."""
    with database.read() as session:
        named = set(session.scalars(select(CheckpointRow.file)))
    for path in storage.old_checkpoints():
        file = str(path.relative_to(storage.root))
        if file in named:
            continue
        with database.write() as session:
            if not session.scalar(select(exists().where(CheckpointRow.file == file))):
                logger.info("removing a checkpoint that nothing names", extra={"file": file})
                remove(path)
