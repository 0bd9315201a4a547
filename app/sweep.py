"""What is removed when a service starts: unfinished files of dead processes, finished ones that nothing names."""

import logging

from sqlalchemy.orm import Session

from app.database import Database
from app.datasets.store import DatasetRow
from app.models.store import ModelRow
from app.storage import Storage, remove

logger = logging.getLogger(__name__)


def sweep(database: Database, storage: Storage) -> None:
    """Remove what crashes have left behind.

    A file without a row is either left over or about to get its row: only one that is a day old is
    removed, and only inside a writer's transaction, so that no row can come in between.
    """
    storage.sweep()
    for path in storage.orphans():
        with database.write() as session:
            if not _is_named(session, path.stem):
                logger.warning("removing a file that nothing names", extra={"file": path.name})
                remove(path)


def _is_named(session: Session, thing_id: str) -> bool:
    return session.get(DatasetRow, thing_id) is not None or session.get(ModelRow, thing_id) is not None
