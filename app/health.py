"""Whether the service lives, whether it can work, and what it counts."""

import logging
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from app.access import needs, open_to_all
from app.auth import service as auth
from app.dependencies import Context, WholeDep
from app.ids import new_id
from app.jobs import service as jobs
from app.problems import Problem

router = APIRouter(tags=["health"])

logger = logging.getLogger(__name__)


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether the service can do its work, and what keeps it from that."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] | None = Field(
        None,
        description="`ok` or what is wrong, for the database, the storage and the workers. Left out once "
        "there are keys: this needs none, and the log has it.",
        examples=[{"database": "ok", "storage": "ok", "worker": "no worker was seen in the last 30 seconds"}],
    )


@router.get("/healthz", summary="Is it alive?")
@open_to_all
def healthz() -> Health:
    """The process runs and answers. Says nothing about what it needs; that is `/readyz`."""
    return Health()


@router.get(
    "/readyz",
    summary="Can it work?",
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "Something that it needs is missing."}},
)
@open_to_all
def readyz(context: WholeDep, response: Response) -> Readiness:
    """The database answers, the storage can be written, and a worker was seen lately."""
    checks = {
        "database": _outcome(context.database.check),
        "storage": _outcome(lambda: _check_storage(context)),
        "worker": _outcome(lambda: _check_worker(context)),
    }
    ready = set(checks.values()) == {"ok"}
    response.status_code = 200 if ready else 503
    if not ready:
        logger.info("not ready", extra={"checks": checks})
    told = None if auth.any_key(context.database) else checks
    return Readiness(status="ok" if ready else "unavailable", checks=told)


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text."}
    },
)
@needs("admin")
def metrics(context: WholeDep) -> Response:
    """Requests by route and status, their durations, jobs by status and live workers, for Prometheus.

    Of all owners together, so it needs an admin's key.
    """
    scraped = CollectorRegistry()
    status = Gauge("backpropd_jobs", "Jobs by status.", ("status",), registry=scraped)
    with context.database.read() as session:
        counts, live = jobs.status_counts(session), jobs.live_workers(session, context.settings.lease)
    for name, count in counts.items():
        status.labels(name).set(count)
    workers = Gauge("backpropd_live_workers", "Workers that gave a sign of life lately.", registry=scraped)
    workers.set(live)
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


def _check_storage(context: Context) -> None:
    with context.storage.scratch(new_id("req")) as folder:
        (folder / "check").write_bytes(b"ok")


def _check_worker(context: Context) -> None:
    with context.database.read() as session:
        if not jobs.has_live_worker(session, context.settings.lease):
            raise _NoWorker(f"no worker was seen in the last {context.settings.lease_seconds:g} seconds")
