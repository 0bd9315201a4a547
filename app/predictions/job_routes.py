"""The HTTP of predictions by a training that is not over."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic_core import to_json

from app.access import needs
from app.bodies import StrictRoute
from app.dependencies import ContextDep
from app.errors import problems
from app.predictions.reading import Inputs, Records, read
from app.predictions.schemas import RECORD_BODIES, JobPredictions
from app.problems import Busy, Conflict, Invalid, NotFound, TooLarge, UnsupportedMediaType
from app.turns import in_turn

router = APIRouter(prefix="/v1/jobs", tags=["predictions"], route_class=StrictRoute)

BODY = {"required": True, "content": RECORD_BODIES}


async def _rows(request: Request) -> Records | Inputs:
    return await run_in_threadpool(read, request.headers.get("content-type", ""), await request.body())


@router.post(
    "/{job_id}/predict",
    summary="Predict with a job's newest checkpoint",
    response_model=JobPredictions,
    responses=problems(NotFound, Conflict, TooLarge, UnsupportedMediaType, Invalid, Busy),
    openapi_extra={"requestBody": BODY},
)
@needs("read", counted="predictions")
async def predict(
    job_id: str, rows: Annotated[Records | Inputs, Depends(_rows)], context: ContextDep
) -> Response:
    """Answer raw rows with the weights that a job has come to so far: those of its newest checkpoint.

    The job may be running, paused, failed or cancelled; one that has a model is asked by its model. `epoch` and `step`
    tell how far the weights are. They are the last ones, not those of the best epoch.
    """
    from app.predictions import from_jobs  # noqa: PLC0415 - it brings polars, which the start must not wait for

    answers = await in_turn(context.evaluators, partial(from_jobs.predict, context, job_id, rows))
    return Response(to_json(answers, inf_nan_mode="null"), media_type="application/json")
