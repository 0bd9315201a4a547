"""Jobs over HTTP."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.orm import Session

from app.bodies import StrictRoute
from app.dependencies import CallerDep, Context, ContextDep, DatabaseDep, ReadSessionDep, WriteSessionDep
from app.errors import problems
from app.idempotency import Once, OnceDep
from app.jobs import changes, lifecycle, service, streaming, successors
from app.jobs.schemas import Checkpoints, Continuation, History, Job, JobChanges, JobRequest, JobSummary
from app.jobs.states import Status
from app.jobs.wake import wake_after_commit
from app.names import ModelName, Tag
from app.paging import Cursor, Limit, Page
from app.problems import Busy, Conflict, Invalid, NotFound, StorageFull, TooLarge, UnsupportedMediaType
from app.turns import in_turn
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

ACTION = problems(NotFound, Conflict, Busy, StorageFull)
SUCCESSOR = problems(NotFound, Conflict, Invalid, UnsupportedMediaType, TooLarge, Busy, StorageFull)


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
async def create(
    request: JobRequest, context: ContextDep, once: OnceDep, validate_only: ValidateOnly = False
) -> Response:
    """Queue a training of a network on a data set.

    Everything is checked on the data itself before the job is queued, so that a job that is accepted
    can start. Follow it under `/v1/jobs/{id}/events`.
    """
    if not validate_only and (stored := await run_in_threadpool(_stored, context, once)) is not None:
        return stored
    planned = await in_turn(
        context.planners, partial(service.plan, context.database, context.settings, request)
    )
    if validate_only:
        return Response(planned.plan.model_dump_json(), media_type="application/json")
    return await run_in_threadpool(_queued, context, once, lambda session: service.create(session, planned))


def _stored(context: Context, once: Once) -> Response | None:
    with context.database.read() as session:
        return once.stored(session)


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
def delete(job_id: str, session: WriteSessionDep, context: ContextDep) -> None:
    """Forget a finished job, its history and its checkpoints. Its model stays."""
    service.delete(session, context.storage, job_id)


@router.patch(
    "/{job_id}",
    summary="Change a job",
    responses=problems(NotFound, Conflict, Invalid, UnsupportedMediaType, TooLarge, Busy, StorageFull),
)
def change(job_id: str, wanted: JobChanges, session: WriteSessionDep, context: ContextDep) -> Job:
    """Change the learning rate, the patience or the number of epochs of a job that has not ended.

    A running job changes before its next step; `changes` tells which step that was, and a replay changes there too.
    """
    job = changes.change(session, job_id, wanted)
    wake_after_commit(session, context.storage.run)
    return job


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=ACTION)
def cancel(job_id: str, session: WriteSessionDep, context: ContextDep) -> Job:
    """End a job: at once where it is queued or paused, within a batch where it runs.

    It keeps its history and has no model.
    """
    job = lifecycle.cancel(session, job_id)
    wake_after_commit(session, context.storage.run)
    return job


@router.post("/{job_id}/pause", summary="Pause a job", responses=ACTION)
def pause(job_id: str, session: WriteSessionDep, context: ContextDep) -> Job:
    """Let a job rest: at once where it is queued; where it runs, it writes a checkpoint after its batch and ends its
    process.

    A running one shows `pause_requested_at` until then.
    """
    job = lifecycle.pause(session, job_id)
    wake_after_commit(session, context.storage.run)
    return job


@router.post("/{job_id}/resume", summary="Resume a paused job", responses=ACTION)
def resume(job_id: str, session: WriteSessionDep, context: ContextDep) -> Job:
    """Put a paused job back into the queue. It goes on from its checkpoint, bit by bit as if it had never paused."""
    job = lifecycle.resume(session, job_id)
    wake_after_commit(session, context.storage.run)
    return job


@router.post("/{job_id}/retry", summary="Retry a job", responses=ACTION)
def retry(job_id: str, session: WriteSessionDep, context: ContextDep) -> Job:
    """Try a failed or cancelled job again: the same id, the next attempt.

    It goes on from its last checkpoint; where there is none, or the training diverged, it starts from the beginning.
    """
    job = lifecycle.retry(session, job_id)
    wake_after_commit(session, context.storage.run)
    return job


@router.post(
    "/{job_id}/replay", summary="Replay a job", status_code=202, response_model=Job, responses=SUCCESSOR
)
def replay(job_id: str, context: ContextDep, once: OnceDep) -> Response:
    """Train a succeeded job again as a new job, with the same request, seed and changes.

    Its `replay` says in the end whether the weights are the same bit by bit. Its model is named with `-replay`.
    """
    return _queued(context, once, lambda session: successors.replay(session, context.storage, job_id))


@router.post(
    "/{job_id}/continue", summary="Continue a job", status_code=202, response_model=Job, responses=SUCCESSOR
)
def carry_on(job_id: str, wanted: Continuation, context: ContextDep, once: OnceDep) -> Response:
    """Train a succeeded job for more epochs, as a new job that starts from its last state."""
    return _queued(
        context, once, lambda session: successors.carry_on(session, context.storage, job_id, wanted)
    )


def _queued(context: Context, once: Once, make: Callable[[Session], Job]) -> Response:
    """The answer to a request that puts a new job into the queue."""
    with context.database.write() as session:

        def queue() -> tuple[Job, str]:
            job = make(session)
            wake_after_commit(session, context.storage.run)
            return job, f"/v1/jobs/{job.id}"

        return once.answer(session, queue, status=202)


@router.get("/{job_id}/checkpoints", summary="List a job's checkpoints", responses=problems(NotFound))
def checkpoints(job_id: str, session: ReadSessionDep) -> Checkpoints:
    """The states that a job can go on from: the last two of one that has not ended, the final one of one that has."""
    return service.list_checkpoints(session, job_id)


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
    job: ExistingJob, database: DatabaseDep, caller: CallerDep, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `status`, `epoch` with new points of the history, `finding`, `log`, and at the end `done`.

    Only committed data is sent. A client that reconnects sends the id of the last event that it saw
    and gets what came after, without gap or repeat.
    """
    async for event in streaming.follow(database, job.id, int(last_event_id or 0), caller.key_id):
        yield event
