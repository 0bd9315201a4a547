"""The rules of keys: how they are made, shown and ended."""

from datetime import datetime

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app import ownership
from app.access import Scope
from app.auth import store
from app.auth.schemas import Key, NewKey
from app.auth.store import KeyRow
from app.auth.tokens import KEY, new_token
from app.database import Database, now
from app.ids import new_id
from app.paging import Page, page
from app.problems import Conflict, Forbidden, Invalid, NotFound


def any_key(database: Database) -> bool:
    """Whether there ever was a key, as far as the database tells; one without tables has none."""
    try:
        with database.read() as session:
            return store.any_key(session)
    except DBAPIError:
        return False


def make(
    session: Session, owner: str, scope: Scope, *, expires_at: datetime | None = None, note: str = ""
) -> NewKey:
    """Make a key; the answer alone holds its secret. Raises `Invalid` for one that has expired already."""
    if expires_at is not None and expires_at <= now():
        raise Invalid.at("/expires_at", "the key would have expired already")
    token = new_token(KEY)
    row = KeyRow(
        id=new_id("key"),
        prefix=token.prefix,
        sha256=token.sha256,
        owner=owner,
        scope=scope,
        note=note,
        created_at=now(),
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return NewKey(**_view(row).model_dump(), key=token.text)


def make_another(
    session: Session, owner: str, scope: Scope, *, expires_at: datetime | None = None, note: str = ""
) -> NewKey:
    """Make a key over HTTP; raises `Forbidden` for the first: as long as there is none, anybody may ask."""
    if not store.any_key(session):
        raise Forbidden("the first key is made on the command line: backpropd keys create")
    return make(session, owner, scope, expires_at=expires_at, note=note)


def adopt(session: Session, owner: str) -> None:
    """Give `owner` all that was made without keys; raises `Conflict` where both have models of one name."""
    try:
        ownership.adopt(session, owner)
    except IntegrityError:
        raise Conflict(
            f"{owner} has models of the same names as there are without an owner; delete or adopt under another owner"
        ) from None


def listed(session: Session, *, owner: str | None, limit: int, cursor: str | None) -> Page[Key]:
    """A page of keys of all owners, filtered."""
    return page(session, store.matching(owner), KeyRow.id, limit=limit, cursor=cursor, view=_view)


def get(session: Session, key_id: str) -> Key:
    """The key of this id; raises `NotFound`."""
    return _view(_row(session, key_id))


def revoke(session: Session, key_id: str) -> Key:
    """End a key, at once and for good; a second time changes nothing. Raises `NotFound`."""
    row = _row(session, key_id)
    row.revoked_at = row.revoked_at or now()
    session.flush()
    return _view(row)


def in_force(session: Session, key_id: str | None) -> bool:
    """Whether a caller who was let in with this key, or without one, would be let in now."""
    if key_id is None:
        return not store.any_key(session)
    row = store.get(session, key_id)
    return row is not None and _status(row) == "active"


def _row(session: Session, key_id: str) -> KeyRow:
    row = store.get(session, key_id)
    if row is None:
        raise NotFound(f"there is no key {key_id[:100]}")
    return row


def _view(row: KeyRow) -> Key:
    values = {name: getattr(row, name) for name in Key.model_fields if name != "status"}
    return Key(**values, status=_status(row))


def _status(row: KeyRow) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now() else "active"
