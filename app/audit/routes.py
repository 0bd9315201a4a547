"""The HTTP of the log of changes."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.access import needs
from app.audit import service
from app.audit.schemas import AuditEntry
from app.bodies import StrictRoute
from app.dependencies import ReadSessionDep
from app.errors import problems
from app.moments import Moment
from app.paging import Cursor, Limit, Page
from app.problems import Invalid

router = APIRouter(prefix="/v1/audit", tags=["keys"], route_class=StrictRoute)


@router.get("", summary="List changes", responses=problems(Invalid))
@needs("admin")
def list_changes(
    session: ReadSessionDep,
    owner: Annotated[str | None, Query(description="Only changes by keys of this owner.")] = None,
    key_id: Annotated[str | None, Query(description="Only changes with this key.")] = None,
    since: Annotated[Moment | None, Query(description="Only from this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Only before this time.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    """Every change that was made, by whom, when and from where, newest first; and refused attempts to get in.

    A line is written in the transaction of its change. What a worker does with a job is in the job's events.
    """
    return service.listed(
        session, owner=owner, key_id=key_id, since=since, until=until, limit=limit, cursor=cursor
    )
