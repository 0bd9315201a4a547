"""Work that is no training and waits in the same queue: the same leases, fences, crashes, quotas and turns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app.database import now
from app.jobs import lifecycle, store
from app.jobs.assignment import Inputs, StoredTable
from app.jobs.service import enqueue
from app.jobs.states import FINISHED, Kind, Status
from app.jobs.store import JobRow
from app.paging import Page, page
from app.problems import Conflict

Item = TypeVar("Item")


@dataclass(frozen=True)
class Errand:
    """What a model is to do with a data set."""

    id: str
    kind: Kind
    model_id: str
    model_name: str
    task: str
    dataset: dict[str, Any]  # name and sha256
    table: StoredTable
    request: dict[str, Any]
    memory_bytes: int


def create(session: Session, errand: Errand) -> JobRow:
    """Queue it; until it ends, its model and its data set cannot be deleted. Raises as `enqueue` does."""
    row = JobRow(
        id=errand.id,
        kind=errand.kind,
        status="queued",
        request=errand.request,
        network={},
        plan={},
        model_name=errand.model_name,
        task=errand.task,
        dataset_id=errand.table.dataset_id,
        dataset=errand.dataset,
        inputs=Inputs(table=errand.table, validation=None).model_dump(mode="json"),
        tags=[],
        priority=0,
        attempt=1,
        memory_bytes=errand.memory_bytes,
        start_model_id=errand.model_id,
        created_at=now(),
    )
    enqueue(session, row)
    return row


def find(session: Session, kind: Kind, errand_id: str) -> JobRow | None:
    """The errand of this id."""
    row = store.get(session, errand_id)
    return row if row is not None and row.kind == kind else None


def listed(
    session: Session,
    kind: Kind,
    *,
    status: Status | None,
    limit: int,
    cursor: str | None,
    view: Callable[[JobRow], Item],
) -> Page[Item]:
    """A page of errands of a kind."""
    query = store.matching(None, status, None, kind)
    return page(session, query, JobRow.id, limit=limit, cursor=cursor, view=view)


def cancel(session: Session, row: JobRow) -> None:
    """Ask for it to end; raises `Conflict` where it has ended otherwise."""
    lifecycle.cancel_row(session, row)


def delete(session: Session, row: JobRow) -> None:
    """Forget one that has ended; raises `Conflict` otherwise."""
    if row.status not in FINISHED:
        raise Conflict(f"it is {row.status}; cancel it first")
    session.delete(row)
