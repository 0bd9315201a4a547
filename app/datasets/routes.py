"""The HTTP of data sets."""

from contextlib import aclosing
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from pydantic import Field, TypeAdapter, ValidationError

from app.access import needs
from app.bodies import COUNTED_HERE, StrictRoute
from app.datasets import figures, service
from app.datasets.early_reading import EarlyReading
from app.datasets.reading_options import ReadOptions
from app.datasets.receiving import Upload, receive
from app.datasets.schemas import UPLOAD_BODY, DatasetChanges, DatasetDetail, DatasetItem, Rows
from app.dependencies import Context, ContextDep, ReadSessionDep
from app.errors import problems
from app.idempotency import Once, StreamedOnceDep
from app.ids import new_id
from app.names import Label, Tag
from app.paging import Cursor, Limit, Page
from app.problems import (
    Busy,
    Conflict,
    Invalid,
    NotFound,
    StorageFull,
    TooLarge,
    UnsupportedMediaType,
)
from app.turns import in_turn
from engine.statistics.reports import CorrelationReport, DriftReport

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictRoute)

DEFAULT_NAME = "data set"

_LABEL: TypeAdapter[str] = TypeAdapter(Label)


@router.post(
    "",
    summary="Upload a data set",
    status_code=201,
    response_model=DatasetDetail,
    responses=problems(Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
    openapi_extra=UPLOAD_BODY,
    max_body_size=COUNTED_HERE,
)
async def create_dataset(
    request: Request,
    context: ContextDep,
    once: StreamedOnceDep,
    name: Annotated[
        Label | None,
        Query(
            description="A label of your choice; left out, the file's name or 'data set'.",
            examples=["penguins"],
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        Query(
            ge=1,
            le=512,
            description="Height and width in pixels that images are brought to; left out, their most frequent size, "
            "at most 224 pixels on the longer side. For zip files.",
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        Query(max_length=100, description="Name of the sheet of an Excel file; left out, the first one."),
    ] = None,
) -> Response:
    """Upload a table (CSV, TSV, NDJSON, JSON, Parquet, Arrow IPC, Excel), arrays or images, at most a gigabyte.

    The types of the columns are found in the data and can be corrected with PATCH. In CSV the first line
    holds the names of the columns; the delimiter is a comma, or the semicolon or tab if only that divides
    the first line; lines without any value are left out. Missing values are empty fields, `NA`, `N/A`, `NaN`,
    `null`, `None` and `?`. JSON is a list of objects.

    A zip file holds PNG or JPEG images in folders, which become the columns `image` and `label` (the folder). A
    NumPy .npz file holds the arrays `x` (rows, ...) and `y`.
    """
    dataset_id = new_id("ds")
    async with contextmanager_in_threadpool(context.storage.scratch(dataset_id)) as folder:
        path, settings = folder / "upload", context.settings
        early = EarlyReading(path, folder / "table.arrow", settings, context.readers)
        async with aclosing(early):
            upload = await receive(request, path, settings.max_upload_bytes, early.arrived)
            early.complete()
            label = _label(name or upload.name or DEFAULT_NAME)
            options = ReadOptions(settings.max_upload_bytes, image_size, sheet)
            keep = partial(_keep, context, once, dataset_id, label, upload, options, early)
            return await to_thread.run_sync(keep, limiter=context.readers)


@router.get("", summary="List data sets", responses=problems(Invalid))
def list_datasets(
    session: ReadSessionDep,
    name: Annotated[str | None, Query(description="Only data sets of exactly this name.")] = None,
    tag: Annotated[Tag | None, Query(description="Only data sets with this tag.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[DatasetItem]:
    """Data sets, newest first, without their columns."""
    return service.listed(session, name=name, tag=tag, limit=limit, cursor=cursor)


@router.get("/{dataset_id}", summary="Get a data set", responses=problems(NotFound))
def get_dataset(dataset_id: str, session: ReadSessionDep) -> DatasetDetail:
    """A data set with the profile of each column and what to look at before training.

    `std` is the population's (divided by the number of values); a figure that makes no sense for a
    column's type is null.
    """
    return service.get(session, dataset_id)


@router.get("/{dataset_id}/rows", summary="Get rows of a data set", responses=problems(NotFound, Invalid))
def list_rows(
    dataset_id: str,
    context: ContextDep,
    limit: Limit = 20,
    cursor: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9]{1,18}$",
            description="`next_cursor` of the rows before; left out, the first rows.",
        ),
    ] = None,
) -> Rows:
    """The table itself, as it is kept: typed, in the order of the upload."""
    return service.rows(
        context.database, context.storage, context.settings, dataset_id, offset=int(cursor or 0), limit=limit
    )


@router.get(
    "/{dataset_id}/drift",
    summary="Compare a data set with an earlier one",
    responses=problems(NotFound, Invalid, Busy),
)
@needs("read", counted="predictions")
async def get_drift(
    dataset_id: str,
    reference: Annotated[
        str,
        Query(
            max_length=100,
            description="Id of the data set to compare with: what a model was trained on, or last month's.",
            examples=["ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"],
        ),
    ],
    context: ContextDep,
) -> DriftReport:
    """How far each column has moved since the reference, what is new and what is gone, with warnings."""
    database, storage, settings = context.database, context.storage, context.settings
    work = partial(figures.drift, database, storage, settings, dataset_id, reference)
    return await in_turn(context.evaluators, work)


@router.get(
    "/{dataset_id}/correlation",
    summary="Get the correlations of a data set's columns",
    responses=problems(NotFound, Invalid, Busy),
)
@needs("read", counted="predictions")
async def get_correlation(
    dataset_id: str,
    context: ContextDep,
    column: Annotated[
        list[Annotated[str, Field(max_length=140)]] | None,  # fifty of them fit into an address
        Query(
            max_length=50,
            description="Names of columns, at most 50; left out, the first 50 that have correlations.",
            examples=[["bill_length_mm", "species"]],
        ),
    ] = None,
) -> CorrelationReport:
    """How much the columns say about each other, the strongest pairs first.

    Text, images and arrays are left out.
    """
    database, storage, settings = context.database, context.storage, context.settings
    work = partial(figures.correlation, database, storage, settings, dataset_id, column)
    return await in_turn(context.evaluators, work)


@router.patch(
    "/{dataset_id}",
    summary="Change a data set",
    response_model=DatasetDetail,
    responses=problems(NotFound, Conflict, Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
)
async def change_dataset(dataset_id: str, changes: DatasetChanges, context: ContextDep) -> DatasetDetail:
    """Rename or tag a data set, or correct the types of its columns, which are then profiled anew.

    Jobs that run already go on with the types that they began with.
    """
    change = partial(service.change, context.database, context.storage, context.settings, dataset_id, changes)
    return await to_thread.run_sync(change, limiter=context.readers if changes.columns else None)


@router.delete(
    "/{dataset_id}",
    summary="Delete a data set",
    status_code=204,
    responses=problems(NotFound, Conflict, Busy, StorageFull),
)
def delete_dataset(dataset_id: str, context: ContextDep) -> None:
    """Delete a data set for good. Finished jobs and models keep its name and SHA-256.

    Refused while a job that is not finished needs the rows.
    """
    service.delete(context.database, context.storage, dataset_id)


def _label(name: str) -> str:
    try:
        return _LABEL.validate_python(name)
    except ValidationError as error:
        raise Invalid.at("/name", error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _keep(
    context: Context,
    once: Once,
    dataset_id: str,
    name: str,
    upload: Upload,
    options: ReadOptions,
    early: EarlyReading,
) -> Response:
    """Everything after the last byte of an upload; it blocks."""
    storage = context.storage
    asked = "".join(f" {option}" for option in (options.image_size, options.sheet) if option is not None)
    request_sha256 = f"{upload.sha256} {upload.format} {name}{asked}"
    with context.database.read() as session:
        if (stored := once.stored(session, request_sha256)) is not None:
            return stored
    report = service.read_upload(upload, context.settings, options, early)

    with service.creating(context.database, storage, dataset_id) as session:

        def create() -> tuple[DatasetDetail, str]:
            dataset = service.create(session, storage, dataset_id, name, upload, early.table, report)
            return dataset, f"/v1/datasets/{dataset_id}"

        return once.answer(session, create, request_sha256=request_sha256)
