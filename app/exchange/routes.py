"""The HTTP of taking models along and bringing them in."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool

from app.bodies import COUNTED_HERE, StrictRoute
from app.datasets.formats import media_type
from app.datasets.spool import Spool
from app.dependencies import Context, ContextDep
from app.errors import problems
from app.exchange import service
from app.exchange.service import Format
from app.idempotency import Once, StreamedOnceDep
from app.ids import new_id
from app.models.schemas import ModelItem, ModelRef
from app.names import ModelName
from app.problems import Busy, Invalid, NotFound, NotInstalled, StorageFull, TooLarge, UnsupportedMediaType
from app.turns import in_turn

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute)

BINARY = "application/octet-stream"
FILE = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/{ref}/export",
    summary="Take a model along",
    response_class=Response,
    responses={
        200: {"content": {BINARY: FILE}},
        **problems(NotFound, Invalid, NotInstalled, Busy, StorageFull),
    },
)
async def export_model(
    ref: ModelRef,
    context: ContextDep,
    format: Annotated[  # noqa: A002 - the query's name
        Format,
        Query(
            description="onnx: for other runtimes, with the encoder of numbers, truth values, categories, images "
            "and arrays, one named input a column. safetensors: the whole model, as `POST /v1/models/import` takes "
            "it. python: one file that needs NumPy alone; run as a script it checks itself. keras_weights: an .npz of "
            "the network's weights by Keras' layers and variables, in its shapes and orders (docs/keras.md)."
        ),
    ],
) -> Response:
    """A model as a file. The header `Backpropd-Encoder` says whether it takes raw columns or encoded rows."""
    made = await in_turn(context.evaluators, partial(service.export, context, ref, format))
    headers = {
        "Content-Disposition": f'attachment; filename="{made.filename}"',
        "Backpropd-Encoder": quote(made.encoder, safe=" :,;=()"),
    }
    return Response(made.data, headers=headers, media_type=BINARY)


@router.post(
    "/import",
    summary="Import a model",
    status_code=201,
    response_model=ModelItem,
    responses=problems(Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
    openapi_extra={"requestBody": {"required": True, "content": {BINARY: FILE}}},
    max_body_size=COUNTED_HERE,
)
async def import_model(
    request: Request,
    context: ContextDep,
    once: StreamedOnceDep,
    name: Annotated[
        ModelName, Query(description="The name whose next version it becomes.", examples=["penguins"])
    ],
) -> Response:
    """A model from the body, a file of `GET /v1/models/{ref}/export?format=safetensors`: it answers the same bits.

    Its weights may start a training: `start_from` of `POST /v1/jobs`.
    """
    if media_type(request.headers.get("content-type", "")) != BINARY:
        raise UnsupportedMediaType(f"a model's file is sent as {BINARY}")
    if request.headers.get("content-encoding"):
        raise UnsupportedMediaType("a model's file is sent without Content-Encoding")
    async with contextmanager_in_threadpool(context.storage.scratch(new_id("mdl"))) as folder:
        spool = Spool(folder / "upload", context.settings.max_upload_bytes, gzip=False)
        with closing(spool):
            async for chunk in request.stream():
                await run_in_threadpool(spool.write, chunk)
            sha256 = await run_in_threadpool(spool.finish)
        keep = partial(_keep, context, once, spool.path, name, sha256)
        return await to_thread.run_sync(keep, limiter=context.readers)


def _keep(context: Context, once: Once, upload: Path, name: str, sha256: str) -> Response:
    """Everything after the last byte; it blocks."""
    with context.database.read() as session:
        if (stored := once.stored(session, sha256)) is not None:
            return stored
    described = service.look_into(context.settings, upload)
    with context.database.write() as session:

        def create() -> tuple[ModelItem, str]:
            model = service.create(session, context.storage, upload, name, described)
            return model, f"/v1/models/{model.id}"

        return once.answer(session, create, request_sha256=sha256)
