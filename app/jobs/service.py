"""The rules of jobs, as the API sees them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.children import ChildFailed, call
from app.database import Database, now
from app.datasets import service as datasets
from app.datasets.schemas import DatasetDetail
from app.events import store as events
from app.ids import new_id
from app.jobs import queue, store
from app.jobs.assignment import Assignment, Inputs, StoredTable
from app.jobs.schemas import History, Job, JobRequest, JobSummary, Point
from app.jobs.states import FINISHED, Status
from app.jobs.store import JobInputRow, JobRow
from app.names import default_model_name
from app.networks import service as networks
from app.paging import Page, page
from app.problems import Conflict, FieldError, Invalid, NotFound
from app.settings import Settings
from engine.goal import GoalSpec, Plan
from engine.network import NetworkSpec
from engine.training import DatasetValidation

PLAN_SECONDS = 120


@dataclass(frozen=True)
class Planned:
    """A request with its plan: ready to be queued."""

    request: JobRequest
    dataset: DatasetDetail
    inputs: Inputs
    network: dict[str, Any]  # as it is trained
    plan: Plan


def plan(database: Database, settings: Settings, request: JobRequest) -> Planned:
    """Decide everything about a job, on the data itself, without training.

    Raises `Invalid` with a pointer to the field to blame. Takes a session of its own and holds none
    while the child works.
    """
    with database.read() as session:
        dataset = _dataset(session, request.dataset_id, "/dataset_id")
        inputs = _inputs(session, request, dataset)
        network = _network(session, request)
    assignment = Assignment(
        data=settings.data.absolute(),
        inputs=inputs,
        goal=GoalSpec(**{name: getattr(request, name) for name in GoalSpec.model_fields}),
        network=network,
        training=request.training,
    )
    try:
        answer = call(
            "app.jobs.planner:plan",
            assignment.model_dump_json(),
            seconds=PLAN_SECONDS,
            memory=settings.memory_budget,
        )
    except Invalid as problem:
        raise _seen_from(request, problem) from None
    except ChildFailed as error:
        raise Invalid(f"the job cannot be planned: {error}", code="cannot_plan") from None
    planned = Planned(request, dataset, inputs, answer["network"], Plan.model_validate(answer["plan"]))
    if planned.plan.memory_bytes > settings.memory_budget:
        raise Invalid.at(
            "/network_id" if request.network_id else "/network",
            f"training needs {_about(planned.plan.memory_bytes)} bytes, more than the budget of "
            f"{settings.memory_budget:,}: take fewer units or a smaller batch",
            code="too_large_for_memory",
        )
    return planned


def _inputs(session: Session, request: JobRequest, dataset: DatasetDetail) -> Inputs:
    validation = None
    if isinstance(request.training.validation, DatasetValidation):
        validation = _stored(
            _dataset(session, request.training.validation.dataset_id, "/training/validation/dataset_id")
        )
    return Inputs(table=_stored(dataset), validation=validation)


def _stored(dataset: DatasetDetail) -> StoredTable:
    return StoredTable(dataset_id=dataset.id, types={column.name: column.type for column in dataset.columns})


def _network(session: Session, request: JobRequest) -> NetworkSpec | None:
    if request.network_id is None:
        return request.network
    try:
        return networks.get_spec(session, request.network_id)
    except NotFound as problem:
        raise Invalid.at("/network_id", problem.detail) from None


def _dataset(session: Session, dataset_id: str, pointer: str) -> DatasetDetail:
    try:
        return datasets.get(session, dataset_id)
    except NotFound as problem:
        raise Invalid.at(pointer, problem.detail) from None


def _seen_from(request: JobRequest, problem: Invalid) -> Invalid:
    """The planner speaks of `network`; where the request named one by id or none, it does not stand there."""
    if request.network is not None:
        return problem
    errors = [
        _outside(request, error) if error.pointer.startswith("/network/") else error
        for error in problem.errors
    ]
    return Invalid(errors[0].detail if errors else problem.detail, errors, code=problem.code)


def _outside(request: JobRequest, error: FieldError) -> FieldError:
    """An error of a network that is not in the request."""
    if request.network_id is not None:
        place = error.pointer.removeprefix("/network")
        return FieldError(pointer="/network_id", detail=f"{place}: {error.detail}")
    return FieldError(
        pointer="/network",
        detail=f"{error.detail}; that is, the recommended network does not suit: give one that does",
    )


def _about(size: int) -> str:
    """A number of bytes for people to read, who need no more than 18 digits."""
    return f"about {size:,}" if size < 10**18 else "more than 10^18"


def create(session: Session, planned: Planned) -> Job:
    """Queue a job."""
    request, dataset = planned.request, planned.dataset
    row = JobRow(
        id=new_id("job"),
        status="queued",
        request=request.model_dump(mode="json"),
        network=planned.network,
        plan=planned.plan.model_dump(mode="json"),
        model_name=request.model_name or default_model_name(request.targets, dataset.name),
        task=planned.plan.task,
        dataset_id=dataset.id,
        dataset={"name": dataset.name, "sha256": dataset.sha256},
        inputs=planned.inputs.model_dump(mode="json"),
        network_id=request.network_id,
        tags=request.tags,
        priority=request.priority,
        attempt=1,
        created_at=now(),
    )
    session.add(row)
    _flush_or_gone(session)
    tables = filter(None, (planned.inputs.table, planned.inputs.validation))
    session.add_all(
        JobInputRow(job_id=row.id, dataset_id=id_) for id_ in {table.dataset_id for table in tables}
    )
    _flush_or_gone(session)
    events.append(session, row.id, "status", {"status": "queued", "attempt": 1})
    return _detail(row)


def _flush_or_gone(session: Session) -> None:
    """The database refuses a job whose data set was deleted while it was planned."""
    try:
        session.flush()
    except IntegrityError:
        raise Conflict("the data set was deleted meanwhile") from None


def listed(
    session: Session,
    *,
    name: str | None,
    status: Status | None,
    tag: str | None,
    limit: int,
    cursor: str | None,
) -> Page[JobSummary]:
    """A page of jobs, filtered."""
    query = store.matching(name, status, tag)
    return page(session, query, JobRow.id, limit=limit, cursor=cursor, view=_summary)


def get(session: Session, job_id: str) -> Job:
    """The job of this id; raises `NotFound`."""
    return _detail(_row(session, job_id))


def cancel(session: Session, job_id: str) -> Job:
    """Ask for a job to end: at once where it is queued, within a batch where it runs.

    A second time changes nothing. Raises `Conflict` for a job that has ended otherwise.
    """
    row = _row(session, job_id)
    if row.status == "queued":
        row.cancel_requested_at = now()
        queue.end(session, row, "cancelled")
    elif row.status == "running":
        row.cancel_requested_at = row.cancel_requested_at or now()
    elif row.status != "cancelled":
        raise Conflict(f"the job is {row.status}; only a queued or running one can be cancelled")
    return _detail(row)


def delete(session: Session, job_id: str) -> None:
    """Forget a finished job and its history; its model stays. Raises `NotFound` and `Conflict`."""
    row = _row(session, job_id)
    if row.status not in FINISHED:
        raise Conflict(f"the job is {row.status}; cancel it first")
    session.delete(row)


def history(session: Session, job_id: str, max_points: int) -> History:
    """The loss history, thinned to at most `max_points`; raises `NotFound`."""
    _row(session, job_id)
    return History(points=points(session, job_id, 1, store.last_epoch(session, job_id), max_points))


def points(session: Session, job_id: str, first: int, last: int, most: int) -> list[Point]:
    """At most `most` points of the epochs first..last."""
    rows = store.points(session, job_id, first, last, most)
    return [Point.model_validate(row, from_attributes=True) for row in rows]


def goes_on(session: Session, job_id: str) -> bool:
    """Whether more may happen to a job."""
    row = store.get(session, job_id)
    return row is not None and row.status not in FINISHED


def status_counts(session: Session) -> dict[str, int]:
    """How many jobs there are in each status."""
    return store.status_counts(session)


def live_workers(session: Session) -> int:
    """How many workers gave a sign of life lately."""
    return queue.live_workers(session)


def has_live_worker(session: Session) -> bool:
    """Whether any worker is there to run jobs."""
    return live_workers(session) > 0


def _row(session: Session, job_id: str) -> JobRow:
    row = store.get(session, job_id)
    if row is None:
        raise NotFound(f"there is no job {job_id[:100]}")
    return row


def _summary(row: JobRow) -> JobSummary:
    return JobSummary.model_validate(row, from_attributes=True)


_AS_SENT = {"target", "features", "sample_weight", "scaling", "training", "limits"}


def _detail(row: JobRow) -> Job:
    as_sent = {name: row.request[name] for name in _AS_SENT & row.request.keys()}
    return Job.model_validate(
        {
            **_summary(row).model_dump(),
            **as_sent,
            "dataset": row.dataset,
            "network_id": row.network_id,
            "network": row.network,
            "plan": row.plan,
        }
    )
