"""The HTTP of batch predictions."""

from collections.abc import Iterator
from contextlib import closing
from typing import IO, Annotated

from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import StreamingResponse

from app.batches import service
from app.batches.schemas import BatchPrediction, BatchRequest
from app.bodies import StrictRoute
from app.dependencies import ContextDep, ReadSessionDep, WriteSessionDep
from app.errors import problems
from app.idempotency import OnceDep
from app.jobs.states import Status
from app.jobs.wake import wake_after_commit
from app.models.schemas import ModelRef
from app.paging import Cursor, Limit, Page
from app.problems import (
    Busy,
    Conflict,
    Invalid,
    NotFound,
    StorageFull,
    TooLarge,
    TooMany,
    UnsupportedMediaType,
)

router = APIRouter(prefix="/v1", tags=["predictions"], route_class=StrictRoute)

CHUNK_BYTES = 1 << 18
MEDIA_TYPES = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}


@router.post(
    "/models/{ref}/batch-predictions",
    summary="Predict over a data set",
    status_code=202,
    response_model=BatchPrediction,
    responses=problems(
        NotFound, Conflict, TooLarge, UnsupportedMediaType, Invalid, TooMany, Busy, StorageFull
    ),
)
def create(
    ref: ModelRef, request: Annotated[BatchRequest, Body()], context: ContextDep, once: OnceDep
) -> Response:
    """Answer all rows of a data set, as `predict` would, in a worker; the result is a file.

    It holds a row for each row of the data set, in its order: its number `row`, counted from 0, the answer's fields
    (`label`, `probabilities.Adelie`, `value`, `interval.low`, ...) and its `warnings`. A kill of its worker costs
    time only: it begins anew. The model that an alias stands for now answers all rows.
    """
    with context.database.read() as session:
        if (stored := once.stored(session)) is not None:
            return stored
    from app.batches.suitability import check_model  # noqa: PLC0415 - it brings polars, which the start must not wait for
    from app.predictions.service import loaded_by_reference  # noqa: PLC0415 - likewise

    found, model = loaded_by_reference(context, ref)
    check_model(model, request)
    with context.database.write() as session:

        def queue() -> tuple[BatchPrediction, str]:
            batch = service.create(session, found.id, request)
            wake_after_commit(session, context.storage.run)
            return batch, f"/v1/batch-predictions/{batch.id}"

        return once.answer(session, queue, status=202)


@router.get("/batch-predictions", summary="List batch predictions", responses=problems(Invalid))
def list_batches(
    session: ReadSessionDep,
    status: Annotated[Status | None, Query(description="Only those in this status.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[BatchPrediction]:
    """Batch predictions, newest first."""
    return service.listed(session, status=status, limit=limit, cursor=cursor)


@router.get("/batch-predictions/{batch_id}", summary="Get a batch prediction", responses=problems(NotFound))
def get_batch(batch_id: str, session: ReadSessionDep) -> BatchPrediction:
    """How far a batch prediction is, and where its result lies."""
    return service.get(session, batch_id)


@router.post(
    "/batch-predictions/{batch_id}/cancel",
    summary="Cancel a batch prediction",
    responses=problems(NotFound, Conflict, Busy, StorageFull),
)
def cancel(batch_id: str, session: WriteSessionDep, context: ContextDep) -> BatchPrediction:
    """End a batch prediction: at once where it waits, soon where it runs. It has no result then."""
    batch = service.cancel(session, context.storage, batch_id)
    wake_after_commit(session, context.storage.run)
    return batch


@router.get(
    "/batch-predictions/{batch_id}/result",
    summary="Download the answers",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file.",
            "content": {
                "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        **problems(NotFound, Conflict),
    },
)
def result(batch_id: str, context: ContextDep) -> StreamingResponse:
    """The file with the answers, in the format that was asked for.

    In CSV, lists are JSON, and text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    with context.database.read() as session:
        file, opened = service.opened(session, context.storage, batch_id)
    headers = {
        "Content-Length": str(file.bytes),
        "Content-Disposition": f'attachment; filename="{file.id}.{file.format}"',
        "ETag": f'"{file.sha256}"',
    }
    return StreamingResponse(_chunks(opened), media_type=MEDIA_TYPES[file.format], headers=headers)


def _chunks(opened: IO[bytes]) -> Iterator[bytes]:
    with closing(opened):
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk


@router.delete(
    "/batch-predictions/{batch_id}",
    summary="Delete a batch prediction",
    status_code=204,
    responses=problems(NotFound, Conflict, Busy, StorageFull),
)
def delete_batch(batch_id: str, session: WriteSessionDep, context: ContextDep) -> None:
    """Forget a batch prediction that has ended, and its file."""
    service.delete(session, context.storage, batch_id)
