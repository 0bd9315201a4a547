"""The HTTP of MLflow's scoring server and of TensorFlow Serving's REST API."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from pydantic_core import to_json

from app.access import needs
from app.bodies import StrictJsonRoute
from app.datasets.formats import media_type
from app.dependencies import ContextDep
from app.errors import problems
from app.predictions.reading import Inputs, Records, read
from app.predictions.schemas import CSV_EXAMPLE
from app.problems import Busy, Invalid, NotFound, TooLarge, UnsupportedMediaType
from app.protocols.shapes import mlflow_rows, tensorflow_rows
from app.strict_json import parse

router = APIRouter(tags=["protocols"], route_class=StrictJsonRoute)

FAULTS = problems(NotFound, TooLarge, UnsupportedMediaType, Invalid, Busy)
ROW = {"island": "Torgersen", "bill_length_mm": 39.1}
OBJECT = {"type": "object"}


class Predictions(BaseModel):
    """An answer a row."""

    predictions: list[Any]


class Outputs(BaseModel):
    """By rows or by columns, as it was asked."""

    predictions: list[Any] | None = None
    outputs: Any = None


MLFLOW_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": OBJECT,
            "examples": {
                "split": {"value": {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}}},
                "records": {"value": {"dataframe_records": [ROW]}},
                "inputs": {"value": {"inputs": {name: [value] for name, value in ROW.items()}}},
            },
        },
        "text/csv": {"schema": {"type": "string"}, "example": CSV_EXAMPLE},
    },
}
TENSORFLOW_BODY = {
    "required": True,
    "content": {"application/json": {"schema": OBJECT, "example": {"instances": [ROW]}}},
}


class _Asked(BaseModel):
    """A body of MLflow's."""

    rows: Any
    params: dict[str, Any] = {}


async def _invoked(request: Request) -> _Asked:
    kind, body = request.headers.get("content-type", ""), await request.body()
    return await run_in_threadpool(_read_invocation, kind, body)


def _read_invocation(kind: str, body: bytes) -> _Asked:
    if media_type(kind) == "text/csv":
        return _Asked(rows=read(kind, body))
    sent = _json(kind, body)
    params = sent.get("params") or {} if isinstance(sent, dict) else {}
    if not isinstance(params, dict):
        raise Invalid.at("/params", "must be an object")
    return _Asked(rows=mlflow_rows(sent), params=params)


async def _instances(request: Request) -> tuple[Records | Inputs, bool]:
    kind, body = request.headers.get("content-type", "application/json"), await request.body()
    return await run_in_threadpool(lambda: tensorflow_rows(_json(kind, body)))


def _json(kind: str, body: bytes) -> object:
    if media_type(kind) not in {"application/json", "application/x-www-form-urlencoded"}:
        # The latter is what curl says of --data, which TensorFlow Serving's own examples send.
        raise UnsupportedMediaType(f"{kind[:100]!r} is not read here; send application/json")
    try:
        return parse(body.decode())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"not valid JSON: {error}"[:300]) from None


InvokedDep = Annotated[_Asked, Depends(_invoked)]
InstancesDep = Annotated[tuple[Records | Inputs, bool], Depends(_instances)]
Name = Annotated[str, Path(description="A model's name, its id, name:version or name@alias.")]
Version = Annotated[int, Path(ge=1, le=10**9, description="A version of the name.")]
tensorflow: Any = {
    "response_model": Outputs,
    "responses": FAULTS,
    "openapi_extra": {"requestBody": TENSORFLOW_BODY},
}


@router.post(
    "/invocations",
    summary="Invoke (MLflow)",
    response_model=Predictions,
    responses=FAULTS,
    openapi_extra={"requestBody": MLFLOW_BODY},
)
@needs("read", counted="predictions")
def invocations(
    asked: InvokedDep,
    context: ContextDep,
    model: Annotated[
        str | None,
        Query(
            description="The model; left out, the one that the setting `invocations_model` names.",
            max_length=200,
        ),
    ] = None,
) -> Response:
    """Predict as MLflow's scoring server does: a label, a value or an error a row.

    `"params": {"method": "predict_proba"}` asks for the probabilities, in the order of the classes.
    """
    from app.protocols import others  # noqa: PLC0415 - it brings polars, which the start must not wait for

    ref = model or context.settings.invocations_model
    if ref is None:
        raise Invalid("name a model: /invocations?model=..., or the setting invocations_model")
    return _answered({"predictions": others.invoked(context, ref, asked.rows, asked.params)})


@router.post("/v1/models/{name}:predict", summary="Predict (TensorFlow Serving)", **tensorflow)
@needs("read", counted="predictions")
def tensorflow_predict(name: Name, asked: InstancesDep, context: ContextDep) -> Response:
    """Predict as TensorFlow Serving does: `predictions` for `instances`, `outputs` for `inputs`.

    An answer of several tensors, such as `label` and `probabilities`, has them by name; one of a single tensor is its
    value.
    """
    return _tensors(context, name, asked)


@router.post(
    "/v1/models/{name}/versions/{version}:predict",
    summary="Predict by a version (TensorFlow Serving)",
    **tensorflow,
)
@needs("read", counted="predictions")
def tensorflow_predict_by_version(
    name: Name, version: Version, asked: InstancesDep, context: ContextDep
) -> Response:
    """The same by a version of a model."""
    return _tensors(context, f"{name}:{version}", asked)


def _tensors(context: ContextDep, ref: str, asked: tuple[Records | Inputs, bool]) -> Response:
    from app.protocols import others  # noqa: PLC0415 - as above

    rows, by_column = asked
    if by_column:
        return _answered({"outputs": others.by_column(context, ref, rows)})
    return _answered({"predictions": others.by_row(context, ref, rows)})


def _answered(answer: dict[str, Any]) -> Response:
    return Response(to_json(answer, inf_nan_mode="null"), media_type="application/json")
