"""Jobs over HTTP."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.bodies import StrictRoute
from app.dependencies import ContextDep, DatabaseDep, ReadSessionDep, WriteSessionDep
from app.errors import problems
from app.idempotency import OnceDep
from app.jobs import service, streaming
from app.jobs.schemas import History, Job, JobRequest, JobSummary
from app.jobs.states import Status
from app.jobs.wake import wake_after_commit
from app.names import ModelName, Tag
from app.paging import Cursor, Limit, Page
from app.problems import Busy, Conflict, Invalid, NotFound, StorageFull, TooLarge, UnsupportedMediaType
from engine.goal import Plan

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)

ValidateOnly = Annotated[
    bool, Query(description="Only check the request and answer with the plan; nothing is queued.")
]
LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^\d{1,18}$",
        description="Id of the last event that was seen; what came after it is sent.",
    ),
]


def _existing_job(job_id: str, session: ReadSessionDep) -> Job:
    return service.get(session, job_id)


# A dependency, since a stream has answered 200 before its generator runs.
ExistingJob = Annotated[Job, Depends(_existing_job)]


@router.post(
    "",
    summary="Launch a training job",
    status_code=202,
    response_model=Job,
    responses={
        200: {"model": Plan, "description": "The plan, with `validate_only`."},
        **problems(Invalid, UnsupportedMediaType, TooLarge, Conflict, Busy, StorageFull),
    },
)
def create(
    request: JobRequest, context: ContextDep, once: OnceDep, validate_only: ValidateOnly = False
) -> Response:
    """Queue a training of a network on a data set.

    Everything is checked on the data itself before the job is queued, so that a job that is accepted
    can start. Follow it under `/v1/jobs/{id}/events`.
    """
    database, storage = context.database, context.storage
    if not validate_only:
        with database.read() as session:
            if (stored := once.stored(session)) is not None:
                return stored
    planned = service.plan(database, context.settings, request)
    if validate_only:
        return Response(planned.plan.model_dump_json(), media_type="application/json")
    with database.write() as session:

        def queue() -> tuple[Job, str]:
            job = service.create(session, planned)
            wake_after_commit(session, storage.run)
            return job, f"/v1/jobs/{job.id}"

        return once.answer(session, queue, status=202)


@router.get("", summary="List jobs", responses=problems(Invalid))
def list_jobs(
    session: ReadSessionDep,
    name: Annotated[ModelName | None, Query(description="Only jobs of this model name.")] = None,
    status: Annotated[Status | None, Query(description="Only jobs in this status.")] = None,
    tag: Annotated[Tag | None, Query(description="Only jobs with this tag.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[JobSummary]:
    """All jobs, newest first, without their histories."""
    return service.listed(session, name=name, status=status, tag=tag, limit=limit, cursor=cursor)


@router.get("/{job_id}", summary="Show a job", responses=problems(NotFound))
def show(job_id: str, session: ReadSessionDep) -> Job:
    """A job's status and progress, with the request that made it and the plan that it follows."""
    return service.get(session, job_id)


@router.delete(
    "/{job_id}",
    summary="Delete a job",
    status_code=204,
    responses=problems(NotFound, Conflict, Busy, StorageFull),
)
def delete(job_id: str, session: WriteSessionDep) -> None:
    """Forget a finished job and its history. Its model stays."""
    service.delete(session, job_id)


@router.post(
    "/{job_id}/cancel", summary="Cancel a job", responses=problems(NotFound, Conflict, Busy, StorageFull)
)
def cancel(job_id: str, session: WriteSessionDep, context: ContextDep) -> Job:
    """End a job: at once where it is queued, within a batch where it runs. It keeps its history and has no model."""
    job = service.cancel(session, job_id)
    wake_after_commit(session, context.storage.run)
    return job


@router.get("/{job_id}/history", summary="Show a job's loss history", responses=problems(NotFound, Invalid))
def history(
    job_id: str,
    session: ReadSessionDep,
    max_points: Annotated[int, Query(ge=1, le=10_000, description="How many points at the most.")] = 500,
) -> History:
    """The loss and the metrics after each epoch, thinned evenly where there are more epochs than points."""
    return service.history(session, job_id, max_points)


@router.get(
    "/{job_id}/events",
    summary="Follow a job live",
    response_class=EventSourceResponse,
    responses=problems(NotFound, Invalid),
)
async def events(
    job: ExistingJob, database: DatabaseDep, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `status`, `epoch` with new points of the history, `log`, and at the end `done`.

    Only committed data is sent. A client that reconnects sends the id of the last event that it saw
    and gets what came after, without gap or repeat.
    """
    async for event in streaming.follow(database, job.id, int(last_event_id or 0)):
        yield event
