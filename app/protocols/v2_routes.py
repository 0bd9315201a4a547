"""The HTTP of the Open Inference Protocol, version 2, which Triton's, KServe's and MLServer's clients speak.

Source: https://github.com/kserve/open-inference-protocol, with its extension for binary tensors.
"""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.access import needs
from app.bodies import StrictJsonRoute
from app.dependencies import ContextDep
from app.errors import problems
from app.problems import Busy, Invalid, NotFound, TooLarge, UnsupportedMediaType
from app.protocols.schemas import InferAnswer, InferRequest, ModelMetadata
from app.strict_json import parse
from engine import __version__

router = APIRouter(prefix="/v2", tags=["protocols"], route_class=StrictJsonRoute)

HEADER_LENGTH = "Inference-Header-Content-Length"
JSON, BYTES = "application/json", "application/octet-stream"
FAULTS = problems(NotFound, TooLarge, UnsupportedMediaType, Invalid, Busy)
REQUEST = InferRequest.model_json_schema(ref_template="#/components/schemas/{model}")
BODY = {
    "required": True,
    "content": {
        JSON: {"schema": REQUEST, "example": InferRequest.EXAMPLE},
        BYTES: {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": f"The JSON, of {HEADER_LENGTH} bytes, and behind it the tensors' bytes.",
            }
        },
    },
}

Name = Annotated[
    str, Path(description="A model's name, its id, or name@alias; the newest version of a name.")
]
Version = Annotated[int, Path(ge=1, le=10**9, description="A version of the name.")]


class Server(BaseModel):
    """Who answers."""

    name: Literal["backpropd"] = "backpropd"
    version: str = __version__
    extensions: list[str] = ["binary_tensor_data"]


class Live(BaseModel):
    """The process answers."""

    live: bool = True


class Ready(BaseModel):
    """Models can answer."""

    ready: bool = True


class ModelReady(BaseModel):
    """A model can answer."""

    name: str
    ready: bool = True


@router.get("", summary="Server metadata")
def server() -> Server:
    """The server's name and version, and the extensions of the protocol that it knows."""
    return Server()


@router.get("/health/live", summary="Server live")
def live() -> Live:
    """Whether the process answers."""
    return Live()


@router.get("/health/ready", summary="Server ready", responses=problems(Busy))
def ready(context: ContextDep) -> Ready:
    """Whether models can be found and answer."""
    from app.protocols import inference  # noqa: PLC0415 - it brings polars, which the start must not wait for

    if not inference.is_ready(context):
        raise Busy("the database does not answer")
    return Ready()


@router.get(
    "/models/{name}",
    summary="Model metadata",
    response_model_exclude_none=True,
    responses=problems(NotFound),
)
def metadata(name: Name, context: ContextDep) -> ModelMetadata:
    """The tensors that the newest version of a model takes and gives: an input a feature."""
    return _metadata(context, name)


@router.get(
    "/models/{name}/versions/{version}",
    summary="Metadata of a version",
    response_model_exclude_none=True,
    responses=problems(NotFound, Invalid),
)
def metadata_of_version(name: Name, version: Version, context: ContextDep) -> ModelMetadata:
    """The tensors that a version of a model takes and gives."""
    return _metadata(context, f"{name}:{version}")


@router.get("/models/{name}/ready", summary="Model ready", responses=problems(NotFound))
def model_ready(name: Name, context: ContextDep) -> ModelReady:
    """Whether a model can answer."""
    return ModelReady(name=_metadata(context, name).name)


@router.get(
    "/models/{name}/versions/{version}/ready", summary="Version ready", responses=problems(NotFound, Invalid)
)
def version_ready(name: Name, version: Version, context: ContextDep) -> ModelReady:
    """Whether a version of a model can answer."""
    return ModelReady(name=_metadata(context, f"{name}:{version}").name)


async def _asked(request: Request) -> tuple[InferRequest, bytes]:
    """The request and what stands behind its JSON; read off the event loop."""
    length = request.headers.get(HEADER_LENGTH)
    return await run_in_threadpool(_read, await request.body(), length)


def _read(body: bytes, length: str | None) -> tuple[InferRequest, bytes]:
    if length is not None and not (length.isdigit() and len(length) < 12 and int(length) <= len(body)):
        raise Invalid(f"{HEADER_LENGTH} is the number of bytes of the JSON at the body's start")
    end = len(body) if length is None else int(length)
    try:
        sent = parse(body[:end].decode())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the body does not begin with JSON: {error}"[:300]) from None
    try:
        return InferRequest.model_validate(sent), body[end:]
    except ValidationError as error:
        errors = [item | {"loc": ("body", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(errors, body=sent) from None


AskedDep = Annotated[tuple[InferRequest, bytes], Depends(_asked)]
INFERS: Any = {"response_model": InferAnswer, "responses": FAULTS, "openapi_extra": {"requestBody": BODY}}


@router.post("/models/{name}/infer", summary="Infer", **INFERS)
@needs("read", counted="predictions")
def infer(name: Name, asked: AskedDep, context: ContextDep) -> Response:
    """Answer rows that come as tensors with tensors, by the newest version of a model.

    An input is a feature of the shape [rows] (of images and arrays [rows, ...]), numbers in any numeric type, words and
    times as BYTES; or a single tensor of numbers of the shape [rows, features]. NaN and the empty text are missing.
    Outputs are `label` and `probabilities`, `labels`, `value`, `values`, `interval`, `reconstruction_error` and
    `warnings`, as the model has them.
    """
    return _inferred(context, name, name, asked)


@router.post("/models/{name}/versions/{version}/infer", summary="Infer by a version", **INFERS)
@needs("read", counted="predictions")
def infer_by_version(name: Name, version: Version, asked: AskedDep, context: ContextDep) -> Response:
    """The same by a version of a model."""
    return _inferred(context, f"{name}:{version}", name, asked)


def _metadata(context: ContextDep, ref: str) -> ModelMetadata:
    from app.protocols import inference  # noqa: PLC0415 - as above

    return inference.metadata(context, ref)


def _inferred(context: ContextDep, ref: str, name: str, asked: tuple[InferRequest, bytes]) -> Response:
    from app.protocols import inference  # noqa: PLC0415 - as above

    told, behind = inference.infer(context, ref, name, *asked)
    if not behind:
        return Response(told, media_type=JSON)
    return Response(told + behind, media_type=BYTES, headers={HEADER_LENGTH: str(len(told))})
