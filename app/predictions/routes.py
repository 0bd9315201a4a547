"""The HTTP of predictions and evaluations.

The service is imported by the first request: it brings polars, which the start must not wait for.
"""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic_core import to_json

from app.bodies import StrictRoute
from app.dependencies import ContextDep
from app.errors import problems
from app.models.schemas import ModelRef
from app.predictions.reading import Inputs, Records, read
from app.predictions.schemas import (
    CSV_EXAMPLE,
    EXAMPLES,
    Evaluated,
    EvaluateRequest,
    Predictions,
    PredictRequest,
)
from app.problems import Invalid, NotFound, TooLarge, UnsupportedMediaType

router = APIRouter(prefix="/v1/models", tags=["predictions"], route_class=StrictRoute)

BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": PredictRequest.model_json_schema(), "examples": EXAMPLES},
        "text/csv": {
            "schema": {"type": "string", "description": "A header and rows, separated by commas."},
            "examples": {"csv": {"summary": "Header and rows", "value": CSV_EXAMPLE}},
        },
    },
}


async def _rows(request: Request) -> Records | Inputs:
    """The body, read off the event loop: a large one takes a while."""
    return await run_in_threadpool(read, request.headers.get("content-type", ""), await request.body())


RowsDep = Annotated[Records | Inputs, Depends(_rows)]


@router.post(
    "/{ref}/predict",
    summary="Predict",
    response_model=Predictions,
    responses=problems(NotFound, TooLarge, UnsupportedMediaType, Invalid),
    openapi_extra={"requestBody": BODY},
)
def predict(ref: ModelRef, rows: RowsDep, context: ContextDep) -> Response:
    """Answer raw rows, as they stood in the uploaded table: 1 to 10,000 of them.

    `records` by column name, `inputs` in the order of the model's `features`, or a CSV with a header. Missing
    values and unseen categories are answered with a warning; a value of an impossible type is refused.
    """
    from app.predictions import service  # noqa: PLC0415 - see the module's docstring

    answers = service.predict(context, ref, rows)
    return Response(to_json(answers, inf_nan_mode="null"), media_type="application/json")


@router.post(
    "/{ref}/evaluate",
    summary="Evaluate on a data set",
    responses=problems(NotFound, TooLarge, UnsupportedMediaType, Invalid),
)
def evaluate(
    ref: ModelRef,
    request: Annotated[
        EvaluateRequest,
        Body(openapi_examples={"dataset": {"value": {"dataset_id": "ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"}}}),
    ],
    context: ContextDep,
) -> Evaluated:
    """Run a model over the rows of a data set that holds the target, and compare.

    The report is the one of `GET /v1/models/{ref}`, on these rows. Rows without a target are left out;
    they, missing values and unseen categories are counted in `warnings`.
    """
    from app.predictions import service  # noqa: PLC0415 - see the module's docstring

    return service.evaluate_on(context, ref, request.dataset_id)
