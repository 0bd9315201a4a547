"""What routes ask for, as named types."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from sqlalchemy.orm import Session

from app.cache import Cache
from app.database import Database
from app.settings import Settings
from app.storage import Storage

if TYPE_CHECKING:
    from engine.model import Model  # imports polars, which the service's start must not wait for

LOADED_BYTES = 256 << 20  # of models kept in memory
READERS = 2  # children that may read uploads at the same time, each within the memory budget


@dataclass(frozen=True)
class Context:
    """What one running service consists of."""

    settings: Settings
    database: Database
    storage: Storage
    registry: CollectorRegistry
    loaded: "Cache[Model]" = field(default_factory=lambda: Cache(LOADED_BYTES))  # models, by id
    readers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(READERS))


def context(request: Request) -> Context:
    """The service that answers this request."""
    return cast("Context", request.app.state.context)


ContextDep = Annotated[Context, Depends(context)]


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
