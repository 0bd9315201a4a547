"""The success of a batch prediction: its file's row and its status, in one transaction."""

from typing import Any

from sqlalchemy.orm import Session

from app.batches.store import BatchFileRow
from app.jobs import queue
from app.jobs.attempt import Success
from app.jobs.queue import Held
from app.problems import StorageFull
from app.quotas import check_space_of
from app.storage import Storage, remove


def success(most_bytes: int | None) -> Success:
    """Writes down what the process has made; `most_bytes`: that one owner may keep.

    A file that is too large for its owner's space is removed again, and the batch prediction fails.
    """

    def succeed(session: Session, storage: Storage, job: Held, done: dict[str, Any]) -> None:
        owner = queue.owner(session, job)
        try:
            if most_bytes is not None:
                check_space_of(session, owner, done["bytes"], most_bytes)
        except StorageFull as problem:
            remove(storage.batch(job.id, done["format"]))
            queue.fail(session, job, problem.code, problem.detail)
            return
        session.add(BatchFileRow(id=job.id, owner=owner, **done))
        queue.finish(session, job)

    return succeed
