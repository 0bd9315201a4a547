"""What routes ask for, as named types."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from sqlalchemy.orm import Session

from app.access import Caller
from app.audit.store import ASKED, Asked
from app.cache import Cache
from app.database import Database
from app.observability import request_id
from app.ownership import OWNER
from app.quotas import QUOTA, Quota
from app.remembered import Remembered
from app.settings import Settings
from app.storage import Storage

if TYPE_CHECKING:
    from engine.ensemble import AnyModel  # imports polars, which the service's start must not wait for

LOADED_BYTES = 256 << 20  # of models kept in memory
LONGEST_METHOD = 20
PLANNERS = 2  # children that may plan jobs at the same time, likewise
READERS = 2  # children that may read uploads at the same time, each within the memory budget
EVALUATORS = 2  # children that may hold a model against a table at the same time, likewise
EXPLAINERS = 2  # children that may explain models at the same time, likewise


class FoundModel(NamedTuple):
    """What a reference stands for."""

    id: str
    version: int
    sha256: str  # of its file


@dataclass(frozen=True)
class Context:
    """What one running service consists of."""

    settings: Settings
    database: Database
    storage: Storage
    registry: CollectorRegistry
    named: Remembered[FoundModel]  # by owner and reference
    owner: str = ""  # whose things the database shows
    loaded: "Cache[AnyModel]" = field(default_factory=lambda: Cache(LOADED_BYTES))  # models, by id
    readers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(READERS))
    planners: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PLANNERS))
    evaluators: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(EVALUATORS))
    explainers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(EXPLAINERS))

    def of(self, owner: str, told: Mapping[str, object] = MappingProxyType({})) -> "Context":
        """The service as an owner sees it; `told`: what else its database's sessions are to know."""
        return replace(self, owner=owner, database=self.database.told(**{OWNER: owner, **told}))


def context(request: Request) -> Context:
    """The service that answers this request, with a database that shows what the caller may see.

    Its writers' changes go into the log of changes.
    """
    whole = _whole(request)
    caller = _caller(request)
    route = request.scope["route"]
    asked = asked_by(request, route.path, route.status_code or 200, caller.key_id, caller.owner)
    quota = Quota(whole.settings.max_queued_jobs, whole.settings.max_storage_bytes)
    return whole.of(caller.owner, {ASKED: asked, QUOTA: quota})


def asked_by(request: Request, route: str, status: int, key_id: str | None, owner: str | None) -> Asked:
    """What the log of changes says of a request."""
    return Asked(
        method=request.method[:LONGEST_METHOD],
        route=route,
        status=status,
        key_id=key_id,
        owner=owner,
        client=request.client and request.client.host,
        request_id=request_id.get(),
        ids=tuple(map(str, request.path_params.values())),
    )


def _whole(request: Request) -> Context:
    return cast("Context", request.app.state.context)


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["caller"]
    return caller


ContextDep = Annotated[Context, Depends(context)]
CallerDep = Annotated[Caller, Depends(_caller)]
WholeDep = Annotated[Context, Depends(_whole)]
"""The service with the things of all owners: for what admins ask, and for what is nobody's."""


def _settings(context: ContextDep) -> Settings:
    return context.settings


def _database(context: ContextDep) -> Database:
    return context.database


def _read_session(context: ContextDep) -> Iterator[Session]:
    with context.database.read() as session:
        yield session


def _write_session(context: ContextDep) -> Iterator[Session]:
    with context.database.write() as session:
        yield session


SettingsDep = Annotated[Settings, Depends(_settings)]
DatabaseDep = Annotated[Database, Depends(_database)]
# scope="function": the session ends, and so commits, before the response is sent. With the default
# scope a 201 would precede a commit that can still fail.
ReadSessionDep = Annotated[Session, Depends(_read_session, scope="function")]
WriteSessionDep = Annotated[Session, Depends(_write_session, scope="function")]
