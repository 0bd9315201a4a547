"""Whether the service lives, whether it can work, and what it counts."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.dependencies import Context, ContextDep, ReadSessionDep
from app.ids import new_id
from app.jobs import service as jobs
from app.problems import Problem

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether the service can do its work, and what keeps it from that."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = Field(
        description="`ok` or what is wrong, for the database, the storage and the workers.",
        examples=[{"database": "ok", "storage": "ok", "worker": "no worker was seen in the last 30 seconds"}],
    )


@router.get("/healthz", summary="Is it alive?")
def healthz() -> Health:
    """The process runs and answers. Says nothing about what it needs; that is `/readyz`."""
    return Health()


@router.get(
    "/readyz",
    summary="Can it work?",
    responses={503: {"model": Readiness, "description": "Something that it needs is missing."}},
)
def readyz(context: ContextDep, response: Response) -> Readiness:
    """The database answers, the storage can be written, and a worker was seen in the last 30 seconds."""
    checks = {
        "database": _outcome(lambda: _check_database(context)),
        "storage": _outcome(lambda: _check_storage(context)),
        "worker": _outcome(lambda: _check_worker(context)),
    }
    ready = set(checks.values()) == {"ok"}
    response.status_code = 200 if ready else 503
    return Readiness(status="ok" if ready else "unavailable", checks=checks)


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text."}
    },
)
def metrics(context: ContextDep, session: ReadSessionDep) -> Response:
    """Requests by route and status, their durations, jobs by status and live workers, for Prometheus."""
    scraped = CollectorRegistry()
    status = Gauge("backpropd_jobs", "Jobs by status.", ("status",), registry=scraped)
    for name, count in jobs.status_counts(session).items():
        status.labels(name).set(count)
    workers = Gauge("backpropd_live_workers", "Workers seen in the last 30 seconds.", registry=scraped)
    workers.set(jobs.live_workers(session))
    return Response(
        generate_latest(context.registry) + generate_latest(scraped), media_type=CONTENT_TYPE_LATEST
    )


class _NoWorker(Problem):
    """Nobody takes jobs."""


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except _NoWorker as problem:
        return problem.detail
    except SQLAlchemyError:
        return "the database does not answer"
    except (OSError, Problem):
        return "the data folder cannot be written"
    return "ok"


def _check_database(context: Context) -> None:
    with context.database.read() as session:
        session.execute(text("SELECT version_num FROM alembic_version"))


def _check_storage(context: Context) -> None:
    with context.storage.scratch(new_id("req")) as folder:
        (folder / "check").write_bytes(b"ok")


def _check_worker(context: Context) -> None:
    with context.database.read() as session:
        if not jobs.has_live_worker(session):
            raise _NoWorker("no worker was seen in the last 30 seconds")
