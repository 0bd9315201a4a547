"""The HTTP of keys, and of the sessions that pages get with them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.access import needs
from app.auth import page_sessions, service
from app.auth.gate import COOKIE
from app.auth.schemas import Key, KeyRequest, NewKey, Owner, PageSession
from app.bodies import StrictRoute
from app.dependencies import CallerDep, ReadSessionDep, WriteSessionDep
from app.errors import problems
from app.paging import Cursor, Limit, Page
from app.problems import (
    Busy,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StorageFull,
    TooLarge,
    UnsupportedMediaType,
)

router = APIRouter(prefix="/v1", tags=["keys"], route_class=StrictRoute)


@router.post(
    "/keys",
    summary="Make a key",
    status_code=201,
    responses=problems(Forbidden, Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
)
@needs("admin")
def create_key(request: KeyRequest, session: WriteSessionDep, response: Response) -> NewKey:
    """Make a key. The answer is the only place where it ever stands; only its SHA-256 is kept.

    Hence no `Idempotency-Key` here: an answer that can be given again would have to be kept. The very first
    key is made on the command line.
    """
    key = service.make_another(
        session, request.owner, request.scope, expires_at=request.expires_at, note=request.note
    )
    response.headers["Location"] = f"/v1/keys/{key.id}"
    return key


@router.get("/keys", summary="List keys", responses=problems(Invalid))
@needs("admin")
def list_keys(
    session: ReadSessionDep,
    owner: Annotated[Owner | None, Query(description="Only keys of this owner.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[Key]:
    """The keys of all owners, newest first; those that have ended too."""
    return service.listed(session, owner=owner, limit=limit, cursor=cursor)


@router.get("/keys/{key_id}", summary="Get a key", responses=problems(NotFound))
@needs("admin")
def get_key(key_id: str, session: ReadSessionDep) -> Key:
    """A key, without its secret, which nobody has but its bearer."""
    return service.get(session, key_id)


@router.delete(
    "/keys/{key_id}",
    summary="Revoke a key",
    status_code=204,
    responses=problems(NotFound, Busy, StorageFull),
)
@needs("admin")
def revoke_key(key_id: str, session: WriteSessionDep) -> None:
    """End a key, and the sessions that were got with it, at once and for good. It stays in the list."""
    service.revoke(session, key_id)


@router.post(
    "/session",
    summary="Begin a session",
    status_code=201,
    responses=problems(Conflict, Busy, StorageFull),
)
@needs("read")
def begin_session(
    request: Request, session: WriteSessionDep, caller: CallerDep, response: Response
) -> PageSession:
    """Exchange the key in the header `Authorization` for a cookie, which a browser's page then sends by itself.

    It permits what the key does, for 12 hours, until the session or the key ends. Changes with it must come
    from this service's own pages (`Origin`).
    """
    cookie, begun = page_sessions.begin(session, caller)
    response.set_cookie(
        COOKIE, cookie, expires=begun.expires_at, httponly=True, samesite="strict", secure=_is_secure(request)
    )
    return begun


@router.delete("/session", summary="End the session", status_code=204, responses=problems(Busy, StorageFull))
@needs("read")
def end_session(request: Request, session: WriteSessionDep, response: Response) -> None:
    """End the session of the cookie, and have the browser forget it. Without one, nothing happens."""
    page_sessions.end(session, request.cookies.get(COOKIE))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(request))


def _is_secure(request: Request) -> bool:
    """Whether the page came over HTTPS; behind a proxy that ends it, the page's origin says so."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
