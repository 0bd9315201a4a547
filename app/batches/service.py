"""The rules of batch predictions."""

from typing import IO

from sqlalchemy.orm import Session

from app.batches import store
from app.batches.schemas import BatchPrediction, BatchRequest, BatchResult
from app.batches.store import BatchFileRow
from app.batches.work import KIND
from app.datasets import service as datasets
from app.datasets.schemas import DatasetDetail
from app.ids import new_id
from app.jobs import errands
from app.jobs.assignment import StoredTable
from app.jobs.errands import Errand
from app.jobs.service import remove_after_commit
from app.jobs.states import FINISHED, Status
from app.jobs.store import JobRow
from app.models import service as models
from app.models.schemas import Model
from app.paging import Page
from app.problems import Conflict, Invalid, NotFound
from app.storage import Storage
from engine.encoding.description import NESTED

WORKING_BYTES = 256 << 20  # that its process needs beside the model, about
MODEL_COPIES = 4  # of a model's file that are in memory while it is read


def create(session: Session, ref: str, request: BatchRequest) -> BatchPrediction:
    """Queue a batch prediction; raises `NotFound`, and `Invalid` where the data set does not suit."""
    model = models.get(session, ref)
    try:
        dataset = datasets.get(session, request.dataset_id)
    except NotFound as problem:
        raise Invalid.at("/dataset_id", problem.detail) from None
    _check(model, dataset, request)
    about = {
        "model_id": model.id,
        "version": model.version,
        "model_sha256": model.sha256,
        "total": dataset.rows,
    }
    errand = Errand(
        id=new_id("bat"),
        kind=KIND,
        model_id=model.id,
        model_name=model.name,
        task=model.task,
        dataset={"name": dataset.name, "sha256": dataset.sha256},
        table=StoredTable(
            dataset_id=dataset.id, types={column.name: column.type for column in dataset.columns}
        ),
        request=request.model_dump(mode="json") | about,
        memory_bytes=WORKING_BYTES + MODEL_COPIES * model.bytes,
    )
    return _view(errands.create(session, errand), None)


def _check(model: Model, dataset: DatasetDetail, request: BatchRequest) -> None:
    there = {column.name: column.type for column in dataset.columns}
    if absent := [feature.name for feature in model.features if feature.name not in there]:
        raise Invalid.at("/dataset_id", f"the data set has no column {', '.join(map(repr, absent[:20]))}")
    for i, name in enumerate(request.columns):
        if name not in there:
            raise Invalid.at(f"/columns/{i}", f"the data set has no column {name[:100]!r}")
        if request.format == "csv" and there[name] in NESTED:
            raise Invalid.at(
                f"/columns/{i}", f"CSV has no place for an {there[name]}: take Parquet, or leave it out"
            )
    if len(set(request.columns)) < len(request.columns):
        raise Invalid.at("/columns", "a column is named twice")


def get(session: Session, batch_id: str) -> BatchPrediction:
    """The batch prediction; raises `NotFound`."""
    row = _row(session, batch_id)
    return _view(row, store.get(session, row.id))


def listed(
    session: Session, *, status: Status | None, limit: int, cursor: str | None
) -> Page[BatchPrediction]:
    """A page of batch predictions."""
    rows = errands.listed(session, KIND, status=status, limit=limit, cursor=cursor, view=lambda row: row)
    files = store.of(session, [row.id for row in rows.items])
    return Page(items=[_view(row, files.get(row.id)) for row in rows.items], next_cursor=rows.next_cursor)


def cancel(session: Session, storage: Storage, batch_id: str) -> BatchPrediction:
    """Ask for it to end; raises `NotFound`, and `Conflict` where it has ended otherwise."""
    row = _row(session, batch_id)
    errands.cancel(session, row)
    if row.status in FINISHED:
        remove_after_commit(session, storage.parts_of(row.id))
    return _view(row, None)


def delete(session: Session, storage: Storage, batch_id: str) -> None:
    """Forget one that has ended, and then its files; raises `NotFound` and `Conflict`."""
    row = _row(session, batch_id)
    errands.delete(session, row)
    remove_after_commit(session, storage.batch(row.id, row.request["format"]), storage.parts_of(row.id))


def opened(session: Session, storage: Storage, batch_id: str) -> tuple[BatchFileRow, IO[bytes]]:
    """The file with the answers, open for reading; raises `NotFound`, and `Conflict` before it is there."""
    row = _row(session, batch_id)
    file = store.get(session, row.id)
    if file is None:
        raise Conflict(f"it is {row.status}; its result is there once it has succeeded")
    try:
        return file, storage.batch(file.id, file.format).open("rb")
    except FileNotFoundError:
        raise NotFound(f"batch prediction {batch_id[:100]} has just been deleted") from None


def _row(session: Session, batch_id: str) -> JobRow:
    row = errands.find(session, KIND, batch_id)
    if row is None:
        raise NotFound(f"there is no batch prediction {batch_id[:100]}")
    return row


def _view(row: JobRow, file: BatchFileRow | None) -> BatchPrediction:
    result = file and BatchResult(
        rows=file.rows, bytes=file.bytes, sha256=file.sha256, path=f"/v1/batch-predictions/{row.id}/result"
    )
    asked = {name: row.request[name] for name in BatchPrediction.model_fields.keys() & row.request.keys()}
    told = {
        name: getattr(row, name) for name in BatchPrediction.model_fields.keys() - asked.keys() - {"result"}
    }
    return BatchPrediction.model_validate({**told, **asked, "dataset_id": row.dataset_id, "result": result})
