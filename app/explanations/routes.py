"""The HTTP of explanations. They are worked out in a child process; a picture alone where PNG is asked for."""

import base64
import json
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from app.access import needs
from app.bodies import StrictRoute
from app.dependencies import ContextDep
from app.errors import problems
from app.explanations import service
from app.explanations.answers import AnyAnswer, Effects, Importances, Layers, Surface, Suspects
from app.explanations.requests import AnyRequest, EffectsQuery, ImportanceQuery, SurfaceQuery, SuspectsQuery
from app.models.schemas import ModelRef
from app.problems import Busy, Conflict, Invalid, NotFound, TooLarge, UnsupportedMediaType
from app.turns import in_turn

router = APIRouter(prefix="/v1/models", tags=["explanations"], route_class=StrictRoute)

PNG = "image/png"
EXAMPLES = {
    "integrated gradients": {
        "value": {
            "method": "integrated_gradients",
            "records": [{"island": "Torgersen", "bill_length_mm": 39.1, "sex": "male"}],
        }
    },
    "counterfactuals": {
        "value": {
            "method": "counterfactuals",
            "records": [{"island": "Torgersen", "bill_length_mm": 39.1, "sex": "male"}],
            "desired": "Gentoo",
            "max_features": 2,
        }
    },
}
WITH_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {PNG: {"schema": {"type": "string"}}}}}
FAULTS = problems(NotFound, Conflict, Invalid, Busy)


@router.post(
    "/{ref}/explain",
    summary="Explain",
    response_model=AnyAnswer,
    responses=problems(NotFound, Conflict, TooLarge, UnsupportedMediaType, Invalid, Busy) | WITH_PICTURE,
)
@needs("read", counted="predictions")
async def explain(
    ref: ModelRef,
    question: Annotated[AnyRequest, Body(openapi_examples=EXAMPLES)],
    context: ContextDep,
    request: Request,
) -> Response:
    """Say why a model answers as it does, by one of the methods of the catalog (`explanations`).

    With `Accept: image/png` the picture of the first record alone, where the method makes one.
    """
    return await _answer(context, ref, question.model_dump(mode="json"), request)


@router.get(
    "/{ref}/importance",
    summary="Get the importance of features",
    response_model=Importances,
    responses=FAULTS,
)
@needs("read", counted="predictions")
async def get_importance(
    ref: ModelRef, query: Annotated[ImportanceQuery, Query()], context: ContextDep, request: Request
) -> Response:
    """How much each feature matters: by default how much the loss grows when its values are shuffled.

    The rows are those of the model's data set that it was not trained on, if any were kept apart.
    """
    return await _answer(context, ref, query.question(), request)


@router.get("/{ref}/effects", summary="Get the effect of a feature", response_model=Effects, responses=FAULTS)
@needs("read", counted="predictions")
async def get_effects(
    ref: ModelRef, query: Annotated[EffectsQuery, Query()], context: ContextDep, request: Request
) -> Response:
    """How the scores change with one feature, over the rows of a data set."""
    return await _answer(context, ref, query.question(), request)


@router.get(
    "/{ref}/decision-surface",
    summary="Get a decision surface",
    response_model=Surface,
    responses=FAULTS | WITH_PICTURE,
)
@needs("read", counted="predictions")
async def get_decision_surface(
    ref: ModelRef, query: Annotated[SurfaceQuery, Query()], context: ContextDep, request: Request
) -> Response:
    """The scores over a grid of two features, all others at the training rows' medians.

    With `Accept: image/png` the picture alone.
    """
    return await _answer(context, ref, query.question(), request)


@router.get("/{ref}/suspect-labels", summary="Get suspect labels", response_model=Suspects, responses=FAULTS)
@needs("read", counted="predictions")
async def get_suspect_labels(
    ref: ModelRef, query: Annotated[SuspectsQuery, Query()], context: ContextDep, request: Request
) -> Response:
    """The rows of a data set with the highest loss, and labels that are likely to be wrong."""
    return await _answer(context, ref, query.question(), request)


@router.get(
    "/{ref}/layers",
    summary="Get the layers and their weights",
    response_model=Layers,
    responses=problems(NotFound, Invalid, Busy),
)
@needs("read", counted="predictions")
async def get_layers(
    ref: ModelRef,
    context: ContextDep,
    member: Annotated[
        int, Query(ge=0, le=1000, description="Of a model of several networks: which one, counted from 0.")
    ] = 0,
) -> Response:
    """Every layer of a model's network with figures of its weights, and their numbers where these are few."""
    work = partial(service.layers, context, ref, member)
    return Response(await in_turn(context.explainers, work), media_type="application/json")


async def _answer(context: ContextDep, ref: str, question: dict[str, Any], request: Request) -> Response:
    """The answer, or its picture alone where that is what is accepted."""
    text = await in_turn(context.explainers, partial(service.explain, context, ref, question))
    if request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip() == PNG:
        answer = json.loads(text)
        picture = (answer.get("explanations") or [answer])[0].get("png")
        if picture is not None:
            return Response(base64.b64decode(picture), media_type=PNG)
    return Response(text, media_type="application/json")
