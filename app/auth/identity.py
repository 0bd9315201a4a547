"""Who it is: from a key in the Authorization header, or from the session cookie of a page.

The tables are read whenever the database has changed, so that what becomes of a key takes effect within milliseconds in
every process.
"""

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.access import EVERYBODY, Caller
from app.auth import store
from app.auth.store import KeyRow
from app.auth.tokens import KEY, PAGE_SESSION, matches, read_token
from app.database import Database, now
from app.problems import Unauthorized


class Refused(Unauthorized):
    """Credentials that are not good; `key` is theirs if they once were."""

    def __init__(self, detail: str, key: KeyRow | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        self.key_id = None if key is None else key.id
        self.owner = None if key is None else key.owner


def identify(database: Database, authorization: str | None, cookie: str | None) -> Caller:
    """Who sent these: the header Authorization, the session cookie.

    Raises `Refused` for what is not good, and `Unauthorized` where neither is there but a key is needed.
    """
    with database.read() as session:
        try:
            return _from_credentials(session, authorization, cookie)
        except Unauthorized:
            if store.any_key(session):
                raise
            return EVERYBODY


def touch(database: Database, key_id: str) -> None:
    """Note that a key was used now."""
    with database.write() as session:
        session.execute(update(KeyRow).where(KeyRow.id == key_id).values(last_used_at=now()))


def _from_credentials(session: Session, authorization: str | None, cookie: str | None) -> Caller:
    """The header counts before the cookie: so a bad key is not made up for."""
    if authorization is not None:
        return _caller(_key_of(session, authorization))
    if cookie is not None:
        return _caller(_key_of_page(session, cookie), by_cookie=True)
    raise Unauthorized(
        "a key is needed: send the header Authorization: Bearer bpd_...",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _key_of(session: Session, authorization: str) -> KeyRow:
    scheme, _, text = authorization.partition(" ")
    token = read_token(KEY, text.strip()) if scheme.lower() == "bearer" else None
    row = None if token is None else store.of_prefix(session, token.prefix)
    if token is None or row is None or not matches(token, row.sha256):
        raise Refused("this is no key of this service; a key is sent as Authorization: Bearer bpd_...")
    return _in_force(row)


def _key_of_page(session: Session, cookie: str) -> KeyRow:
    token = read_token(PAGE_SESSION, cookie)
    found = None if token is None else store.page_session(session, token.prefix)
    if token is None or found is None or not matches(token, found.sha256) or found.expires_at <= now():
        raise Refused("the session has ended; begin another with POST /v1/session")
    row = store.get(session, found.key_id)
    assert row is not None, "the database keeps a session's key"
    return _in_force(row)


def _in_force(row: KeyRow) -> KeyRow:
    if row.revoked_at is not None:
        raise Refused("this key was revoked", row)
    if row.expires_at is not None and row.expires_at <= now():
        raise Refused(f"this key expired at {row.expires_at:%Y-%m-%dT%H:%M:%SZ}", row)
    return row


def _caller(row: KeyRow, *, by_cookie: bool = False) -> Caller:
    return Caller(row.owner, row.scope, row.id, by_cookie, row.expires_at)
