"""The HTTP of model cards."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response

from app.bodies import StrictRoute
from app.dependencies import ReadSessionDep
from app.errors import problems
from app.models.schemas import ModelRef
from app.problems import Invalid, NotFound
from app.registry.card import card
from app.registry.card_markdown import markdown
from app.registry.card_schemas import Card

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute)

MARKDOWN = "text/markdown"
FormatQuery = Annotated[
    Literal["json", "markdown"] | None,
    Query(description="Left out, markdown where the header `Accept` asks for `text/markdown`, else json."),
]


@router.get(
    "/{ref}/card",
    summary="Get a model's card",
    response_model=Card,
    responses={
        200: {
            "content": {MARKDOWN: {"schema": {"type": "string"}, "example": "# species-penguins, version 1"}},
            "description": "The card.",
        },
        **problems(NotFound, Invalid),
    },
)
def model_card(
    ref: ModelRef,
    session: ReadSessionDep,
    format: FormatQuery = None,  # noqa: A002 - as in the API
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """What somebody must know who is about to use a model: what it predicts, how good it is, where its limits are.

    As JSON, or as Markdown for people.
    """
    found = card(session, ref)
    if (format or ("markdown" if MARKDOWN in accept.lower() else "json")) == "markdown":
        return Response(markdown(found), media_type=f"{MARKDOWN}; charset=utf-8")
    return Response(found.model_dump_json(), media_type="application/json")
