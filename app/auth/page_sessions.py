"""The session of a browser's page: a cookie that acts as the key it was got with, and ends with it or after hours."""

from datetime import timedelta

from sqlalchemy.orm import Session

from app.access import Caller
from app.auth import store
from app.auth.schemas import PageSession
from app.auth.store import PageSessionRow
from app.auth.tokens import PAGE_SESSION, new_token, read_token
from app.database import now
from app.ids import new_id
from app.problems import Conflict

LASTS = timedelta(hours=12)


def begin(session: Session, caller: Caller) -> tuple[str, PageSession]:
    """The cookie of a new session for the caller's key, and what it permits.

    Raises `Conflict` where there is no key to begin one with: without keys, and within a session.
    """
    if caller.key_id is None or caller.scope is None:
        raise Conflict("there are no keys, so every page may do everything without a session")
    if caller.by_cookie:
        raise Conflict("a session is begun with a key, in the header Authorization")
    token, at = new_token(PAGE_SESSION), now()
    store.forget_page_sessions(session, before=at)
    key = store.get(session, caller.key_id)
    assert key is not None, "the caller has just shown it"
    expires_at = min(filter(None, (at + LASTS, key.expires_at)))
    row = PageSessionRow(
        id=new_id("ses"),
        prefix=token.prefix,
        sha256=token.sha256,
        key_id=caller.key_id,
        created_at=at,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return token.text, PageSession(owner=caller.owner, scope=caller.scope, expires_at=expires_at)


def end(session: Session, cookie: str | None) -> None:
    """End the session of this cookie, if there is one."""
    token = read_token(PAGE_SESSION, cookie or "")
    row = token and store.page_session(session, token.prefix)
    if row:
        session.delete(row)
