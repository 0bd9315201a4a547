"""The HTTP of predictions and evaluations.

The service is imported by the first request: it brings polars, which the start must not wait for.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Literal

from anyio import from_thread
from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from app.access import needs
from app.bodies import COUNTED_HERE, StrictRoute, bounded
from app.dependencies import ContextDep
from app.errors import problems
from app.models.schemas import ModelRef
from app.predictions.reading import Inputs, Records, read
from app.predictions.schemas import (
    RECORD_BODIES,
    Evaluated,
    EvaluateRequest,
    OutOfFoldPage,
    Predictions,
    Shape,
)
from app.predictions.table_bodies import ARROW, NPY, Table, kind_of, pieces, predict_table, received
from app.problems import Busy, Invalid, NotFound, TooLarge, UnsupportedMediaType
from app.turns import in_turn

router = APIRouter(prefix="/v1/models", tags=["predictions"], route_class=StrictRoute)

BODY = {
    "required": True,
    "content": {
        **RECORD_BODIES,
        ARROW: {"schema": {"type": "string", "format": "binary", "description": "Columns by name."}},
        NPY: {"schema": {"type": "string", "format": "binary", "description": "Numbers (rows, features)."}},
    },
}


async def _rows(request: Request, context: ContextDep) -> AsyncIterator[Records | Inputs | Table]:
    """The body, read off the event loop: a large one takes a while; a table's bytes are not looked into."""
    kind = kind_of(request)
    if kind is None:
        body = b"".join([chunk async for chunk in bounded(request, context.settings.max_predict_bytes)])
        yield await run_in_threadpool(read, request.headers.get("content-type", ""), body)
    else:
        async with received(request, context, kind) as table:
            yield table


IntervalQuery = Annotated[
    float | None,
    Query(
        gt=0,
        lt=1,
        description="The probability with which the sets of classes, or the intervals, are to hold the truth; left "
        "out, 0.9. For models that were trained with calibration rows.",
        examples=[0.95],
    ),
]
ExplainQuery = Annotated[
    Literal["integrated_gradients", "expected_gradients", "shapley"] | None,
    Query(
        description="Add to each answer, by this method, what each feature did to it: for at most 100 rows."
    ),
]
COLUMNS_AT_MOST = 100


def _shape(
    top: Annotated[
        int | None, Query(ge=1, le=10_000, description="Only so many probabilities, the largest first.")
    ] = None,
    threshold: Annotated[
        float | None,
        Query(
            ge=0,
            le=1,
            description="The probability from which on the answer is the second of two classes, or a label holds; "
            "left out, 1/2.",
            examples=[0.3],
        ),
    ] = None,
    columns: Annotated[
        list[str],
        Query(
            max_length=COLUMNS_AT_MOST,
            description="Columns of each row to send back beside its answer, such as its id; may be repeated. The "
            "model need not know them.",
        ),
    ] = [],  # noqa: B006 - FastAPI copies it
) -> Shape:
    return Shape(top, threshold, tuple(columns))


ShapeDep = Annotated[Shape, Depends(_shape)]
RowsDep = Annotated[Records | Inputs | Table, Depends(_rows)]


@router.post(
    "/{ref}/predict",
    summary="Predict",
    response_model=Predictions,
    responses=problems(NotFound, TooLarge, UnsupportedMediaType, Invalid, Busy),
    openapi_extra={"requestBody": BODY},
    max_body_size=COUNTED_HERE,
)
@needs("read", counted="predictions")
def predict(
    ref: ModelRef,
    rows: RowsDep,
    context: ContextDep,
    wanted: ShapeDep,
    interval: IntervalQuery = None,
    explain: ExplainQuery = None,
) -> Response:
    """Answer raw rows, as they stood in the uploaded table: 1 to 10,000 of them, or 1,000,000 from Arrow to Arrow.

    `records` by column name, `inputs` in the order of the model's `features`, or a CSV with a header. Missing
    values and unseen categories are answered with a warning; a value of an impossible type is refused.
    A model that was trained with calibration rows adds a `set` of classes, or an `interval`, to each answer;
    `explain` adds what each feature did to it.
    An Arrow stream or a .npy file (rows, features) is answered with an Arrow stream where `Accept` names it, and an
    Arrow stream also where it names nothing: a column `label` or `value` and `probabilities.CLASS` or `values.TARGET`;
    `interval` adds `set`, or `interval.low` and `interval.high`, and `columns` a column `columns.NAME` each.
    """
    from app.predictions import explaining, service  # noqa: PLC0415 - see the module's docstring

    if isinstance(rows, Table):
        if explain is not None:
            raise Invalid.at("/query/explain", "explain: send the rows as JSON or CSV")
        work = partial(predict_table, context, ref, rows, interval, wanted)
        answer = from_thread.run(in_turn, context.evaluators, work)
        return StreamingResponse(
            pieces(answer),
            media_type="application/json" if rows.as_json else ARROW,
            headers={"Content-Length": str(answer.stat().st_size)},
        )
    answers = service.predict(context, ref, rows, interval)
    answers = service.shaped(context, answers, rows, wanted)
    if explain is not None:
        explain_all = partial(explaining.explained, context, answers, rows, explain)
        answers = from_thread.run(in_turn, context.explainers, explain_all)
    return Response(to_json(answers, inf_nan_mode="null"), media_type="application/json")


@router.get(
    "/{ref}/out-of-fold",
    summary="Get out-of-fold answers",
    response_model=OutOfFoldPage,
    responses=problems(NotFound, Invalid),
)
def out_of_fold(
    ref: ModelRef,
    context: ContextDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many rows a page holds.")] = 100,
    cursor: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9]{1,18}$",
            description="`next_cursor` of the page before; left out, the first page.",
        ),
    ] = None,
) -> Response:
    """The answers to the rows of the training, each by networks that did not train on it.

    Of a model that was trained with `k_fold` or several `members`. What they are worth stands in the model's report.
    """
    from app.predictions import out_of_fold as service  # noqa: PLC0415 - see the module's docstring

    page = service.out_of_fold(context, ref, int(cursor or 0), limit)
    return Response(to_json(page, inf_nan_mode="null"), media_type="application/json")


@router.post(
    "/{ref}/evaluate",
    summary="Evaluate on a data set",
    response_model=Evaluated,
    responses=problems(NotFound, TooLarge, UnsupportedMediaType, Invalid, Busy),
)
@needs("read", counted="predictions")
async def evaluate(
    ref: ModelRef,
    request: Annotated[
        EvaluateRequest,
        Body(openapi_examples={"dataset": {"value": {"dataset_id": "ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"}}}),
    ],
    context: ContextDep,
) -> Response:
    """Run a model over the rows of a data set that holds the target, and compare.

    The report is the one of `GET /v1/models/{ref}`, on these rows. Rows without a target are left out;
    they, missing values and unseen categories are counted in `warnings`. `threshold_by` chooses the threshold
    of a model of two classes.
    """
    from app.predictions import service  # noqa: PLC0415 - see the module's docstring

    work = partial(service.evaluate_on, context, ref, request.dataset_id, request.threshold_by)
    return Response(await in_turn(context.evaluators, work), media_type="application/json")
