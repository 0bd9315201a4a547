"""The rules of jobs, as the API sees them."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.children import ChildFailed, call
from app.database import Database, now
from app.datasets import service as datasets
from app.datasets.schemas import DatasetDetail
from app.events import store as events
from app.ids import new_id
from app.jobs import queue, store
from app.jobs.assignment import Assignment, Inputs, StoredTable, goal_of
from app.jobs.schemas import Checkpoint, Checkpoints, History, Job, JobRequest, JobSummary, Point
from app.jobs.states import FINISHED, Status
from app.jobs.store import JobRow
from app.models import service as models
from app.names import default_model_name
from app.networks import service as networks
from app.paging import Page, page
from app.problems import Conflict, FieldError, Invalid, NotFound
from app.quotas import check_queue, check_space
from app.settings import Settings
from app.storage import Storage, remove
from engine.goal import GoalSpec, Plan
from engine.network import NetworkSpec
from engine.training import DatasetValidation, TrainingSpec

PLAN_SECONDS = 120


@dataclass(frozen=True)
class Planned:
    """A request with its plan: ready to be queued."""

    request: JobRequest
    dataset: DatasetDetail
    inputs: Inputs
    network: dict[str, Any]  # as it is trained
    filled: dict[str, Any]  # fields of the request as the recipe fills them in
    plan: Plan
    start_model_id: str | None


def plan(database: Database, settings: Settings, request: JobRequest) -> Planned:
    """Decide everything about a job, on the data itself, without training.

    Raises `Invalid` with a pointer to the field to blame. Takes a session of its own and holds none
    while the child works.
    """
    with database.read() as session:
        dataset = _dataset(session, request.dataset_id, "/dataset_id")
        inputs = _inputs(session, request, dataset)
        network = _network(session, request)
        start_model_id = _start(session, request)
    assignment = Assignment(
        data=settings.data.absolute(),
        inputs=inputs,
        goal=GoalSpec(**{name: getattr(request, name) for name in GoalSpec.model_fields}),
        network=network,
        training=request.training,
        start=None if start_model_id is None else Storage(settings.data).model(start_model_id),
        memory=min(settings.memory_budget, request.limits.memory_bytes or settings.memory_budget),
    )
    try:
        answer = call(
            "app.jobs.planner:plan",
            # What the request leaves out is left out here too: it is for the recipe to fill in.
            assignment.model_dump_json(exclude_unset=True),
            seconds=PLAN_SECONDS,
            memory=settings.memory_budget,
        )
    except Invalid as problem:
        raise _seen_from(request, problem) from None
    except ChildFailed as error:
        raise Invalid(f"the job cannot be planned: {error}", code="cannot_plan") from None
    decided = Plan.model_validate(answer["plan"])
    _check_memory(request, decided.memory_bytes, settings.memory_budget)
    return Planned(request, dataset, inputs, answer["network"], answer["filled"], decided, start_model_id)


def _check_memory(request: JobRequest, needed: int, budget: int) -> None:
    """Refuse a training that needs more bytes than it may have."""
    advice, code = "take fewer units or a smaller batch", "too_large_for_memory"
    if needed > budget:
        raise Invalid.at(
            _place_of_network(request),
            f"training needs {_about(needed)} bytes, more than the budget of {budget:,}: {advice}",
            code=code,
        )
    limit = request.limits.memory_bytes
    if limit is not None and needed > limit:
        raise Invalid.at(
            "/limits/memory_bytes",
            f"training needs {_about(needed)} bytes: allow more, or {advice}",
            code=code,
        )


def _inputs(session: Session, request: JobRequest, dataset: DatasetDetail) -> Inputs:
    validation, pointer = None, "/training/validation/dataset_id"
    if isinstance(request.training.validation, DatasetValidation):
        validation = _stored(_dataset(session, request.training.validation.dataset_id, pointer))
        if validation.dataset_id == dataset.id:
            raise Invalid.at(
                pointer,
                "that is the data set that is trained on, whose rows tell nothing of others: name another one, or "
                "leave validation out, and a fraction of the rows is kept apart",
            )
    return Inputs(table=_stored(dataset), validation=validation)


def _stored(dataset: DatasetDetail) -> StoredTable:
    return StoredTable(dataset_id=dataset.id, types={column.name: column.type for column in dataset.columns})


def _network(session: Session, request: JobRequest) -> NetworkSpec | None:
    if request.template is not None:
        made = networks.of_template(request.template)
        return NetworkSpec.model_validate(made.model_dump())  # with all fields set, which the planner is told
    if request.network_id is None:
        return request.network
    try:
        return networks.get_spec(session, request.network_id)
    except NotFound as problem:
        raise Invalid.at("/network_id", problem.detail) from None


def _start(session: Session, request: JobRequest) -> str | None:
    """The id of the model to start from."""
    if request.start_from is None:
        return None
    try:
        return models.resolve(session, request.start_from).id
    except NotFound as problem:
        raise Invalid.at("/start_from", problem.detail) from None


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
    if request.network_id is not None or request.template is not None:
        place = error.pointer.removeprefix("/network")
        return FieldError(pointer=_place_of_network(request), detail=f"{place}: {error.detail}")
    if request.start_from is not None:
        return FieldError(pointer="/start_from", detail=f"the model's network does not suit: {error.detail}")
    return FieldError(
        pointer="/network",
        detail=f"{error.detail}; that is, the recommended network does not suit: give one that does",
    )


def _place_of_network(request: JobRequest) -> str:
    """Where a request says what the network is."""
    if request.template is not None:
        return "/template"
    return "/network_id" if request.network_id is not None else "/network"


def _about(size: int) -> str:
    """A number of bytes for people to read, who need no more than 18 digits."""
    return f"about {size:,}" if size < 10**18 else "more than 10^18"


def create(session: Session, planned: Planned) -> Job:
    """Queue a job."""
    request, dataset = planned.request, planned.dataset
    row = JobRow(
        id=new_id("job"),
        status="queued",
        request=request.model_dump(mode="json") | planned.filled | {"start_from": planned.start_model_id},
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
        memory_bytes=planned.plan.memory_bytes,
        start_model_id=planned.start_model_id,
        created_at=now(),
    )
    enqueue(session, row)
    return detail(row)


def enqueue(session: Session, row: JobRow) -> None:
    """Put a job into the queue with all that it needs.

    Raises `Conflict` where a data set or the model to start from is gone: the database refuses such a job.
    """
    inputs = Inputs.model_validate(row.inputs)
    session.add(row)
    try:
        session.flush()
        tables = filter(None, (inputs.table, inputs.validation))
        store.hold_inputs(session, row.id, {table.dataset_id for table in tables})
    except IntegrityError:
        raise Conflict("the data set, or the model to start from, was deleted: the job needs it") from None
    check_room(session)
    events.append(session, row.id, "status", {"status": "queued", "attempt": row.attempt})


def check_room(session: Session) -> None:
    """Raise `TooMany` where the owner has too many queued jobs by now, `StorageFull` where no model would fit."""
    check_queue(session, store.queued(session))
    check_space(session, 0)


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
    return detail(existing(session, job_id))


def delete(session: Session, storage: Storage, job_id: str) -> None:
    """Forget a finished job, its history and its checkpoints; its model stays. Raises `NotFound` and `Conflict`."""
    row = existing(session, job_id)
    if row.status not in FINISHED:
        raise Conflict(f"the job is {row.status}; cancel it first")
    session.delete(row)
    remove_after_commit(session, storage.checkpoints_of(job_id))


def remove_after_commit(session: Session, *paths: Path) -> None:
    """Remove files and folders once no row names them any more."""

    @event.listens_for(session, "after_commit", once=True)
    def remove_all(_: Session) -> None:
        for path in paths:
            remove(path)


def list_checkpoints(session: Session, job_id: str) -> Checkpoints:
    """The states that a job can go on from; raises `NotFound`."""
    existing(session, job_id)
    return Checkpoints(items=[Checkpoint.model_validate(row) for row in store.checkpoints(session, job_id)])


def history(session: Session, job_id: str, max_points: int) -> History:
    """The loss history, thinned to at most `max_points`; raises `NotFound`."""
    existing(session, job_id)
    first, last = store.first_epoch(session, job_id), store.last_epoch(session, job_id)
    return History(points=points(session, job_id, first, last, max_points))


def points(session: Session, job_id: str, first: int, last: int, most: int) -> list[Point]:
    """At most `most` points of the epochs first..last."""
    rows = store.points(session, job_id, first, last, most)
    return [Point.model_validate(row, from_attributes=True) for row in rows]


def status_counts(session: Session) -> dict[str, int]:
    """How many jobs there are in each status."""
    return store.status_counts(session)


def live_workers(session: Session, lease: timedelta) -> int:
    """How many workers gave a sign of life within a lease."""
    return queue.live_workers(session, lease=lease)


def has_live_worker(session: Session, lease: timedelta) -> bool:
    """Whether any worker is there to run jobs."""
    return live_workers(session, lease) > 0


def assignment_of(session: Session, storage: Storage, job_id: str) -> Assignment | None:
    """The training that a job was, decided as it was then; None where the job was deleted."""
    row = store.get(session, job_id)
    if row is None:
        return None
    return Assignment(
        data=storage.root,
        inputs=Inputs.model_validate(row.inputs),
        goal=goal_of(row.request),
        network=NetworkSpec.model_validate(row.network),
        training=TrainingSpec.model_validate(row.request["training"]),
    )


def existing(session: Session, job_id: str) -> JobRow:
    """The row of this training; raises `NotFound`."""
    row = store.get(session, job_id)
    if row is None or row.kind != "training":
        raise NotFound(f"there is no job {job_id[:100]}")
    return row


def _summary(row: JobRow) -> JobSummary:
    return JobSummary.model_validate(row, from_attributes=True)


_AS_SENT = {
    "target",
    "features",
    "series",
    "sample_weight",
    "quality",
    "scaling",
    "categories",
    "texts",
    "clip",
    "training",
    "limits",
    "start_from",
}
_AS_KEPT = (
    "dataset",
    "network_id",
    "network",
    "continues",
    "changes",
    "findings",
    "request",
    "environment_changed",
    "weights_sha256",
    "replay",
    "plan",
)


def detail(row: JobRow) -> Job:
    """A job as the API shows it."""
    as_sent = {name: row.request[name] for name in _AS_SENT & row.request.keys()}
    return Job.model_validate(
        {
            **_summary(row).model_dump(),
            **as_sent,
            **{name: getattr(row, name) for name in _AS_KEPT},
        }
    )
