"""Reading the log of changes."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.audit import store
from app.audit.schemas import AuditEntry
from app.audit.store import AuditRow
from app.paging import Page, page


def listed(
    session: Session,
    *,
    owner: str | None,
    key_id: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page[AuditEntry]:
    """A page of the log, filtered."""
    query = store.matching(owner, key_id, since, until)
    return page(session, query, AuditRow.id, limit=limit, cursor=cursor, view=AuditEntry.model_validate)
