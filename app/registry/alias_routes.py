"""The HTTP of aliases."""

from functools import partial
from typing import Annotated

from anyio import from_thread
from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from app.bodies import StrictRoute
from app.dependencies import ContextDep, ReadSessionDep, WriteSessionDep
from app.errors import problems
from app.models import aliases
from app.models.alias_schemas import Alias, Aliases, AliasMove, Gate
from app.names import Alias as AliasName
from app.paging import Cursor, Limit, Page
from app.problems import Busy, Conflict, Invalid, NotFound, StorageFull, TooLarge, UnsupportedMediaType
from app.turns import in_turn

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute)

NamePath = Annotated[str, Path(description="A model's name.", examples=["species-penguins"])]
AliasPath = Annotated[str, Path(description="One of its aliases.", examples=["champion"])]
NewAliasPath = Annotated[
    AliasName, Path(description="The alias, named as models are.", examples=["champion"])
]


class AliasRequest(BaseModel):
    """Where an alias is to stand."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"version": 1},
                {
                    "version": 1,
                    "only_if": {
                        "metric": "log_loss",
                        "better_by": 0,
                        "than": "@champion",
                        "dataset_id": "ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b",
                    },
                },
            ]
        },
    )

    version: int = Field(ge=1, lt=2**31, description="The version that it is to stand for.")
    only_if: Gate | None = Field(
        None,
        description="Move it only if the version is better than another model on the rows of a data set.",
    )


@router.get("/{name}/aliases", summary="List a model's aliases", responses=problems(NotFound))
def list_aliases(name: NamePath, session: ReadSessionDep) -> Aliases:
    """All aliases of a name, at most 100."""
    return aliases.listed(session, name)


@router.get("/{name}/aliases/{alias}", summary="Get an alias", responses=problems(NotFound))
def get_alias(name: NamePath, alias: AliasPath, session: ReadSessionDep) -> Alias:
    """The version that an alias stands for."""
    return aliases.get(session, name, alias)


@router.put(
    "/{name}/aliases/{alias}",
    summary="Move an alias",
    responses=problems(NotFound, Conflict, Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
)
def move_alias(name: NamePath, alias: NewAliasPath, request: AliasRequest, context: ContextDep) -> Alias:
    """Have an alias, new or not, stand for a version: `name@alias` is that model from now on.

    An earlier version comes back in the same way; `history` tells which it was. With `only_if` both models are
    evaluated first, which takes a while; where the version is not better, the alias stays, the answer is a 409 with
    both figures, and `history` tells of it.
    """
    if request.only_if is None:
        with context.database.write() as session:
            return aliases.move(session, name, alias, request.version)
    from app.registry import gates  # noqa: PLC0415 - it brings polars, which the start must not wait for

    trial = partial(gates.tried, context, name, request.version, request.only_if)
    outcome = from_thread.run(in_turn, context.evaluators, trial)
    return gates.move(context, name, alias, request.version, outcome)


@router.delete(
    "/{name}/aliases/{alias}",
    summary="Delete an alias",
    status_code=204,
    responses=problems(NotFound, Busy, StorageFull),
)
def delete_alias(name: NamePath, alias: AliasPath, session: WriteSessionDep) -> None:
    """Forget an alias. The model stays, and so does the alias' history."""
    aliases.delete(session, name, alias)


@router.get(
    "/{name}/aliases/{alias}/history",
    summary="Show an alias' history",
    responses=problems(NotFound, Invalid),
)
def alias_history(
    name: NamePath, alias: AliasPath, session: ReadSessionDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[AliasMove]:
    """Which versions an alias stood for, since when, and who moved it, newest first; the last 1,000 moves."""
    return aliases.history(session, name, alias, limit=limit, cursor=cursor)
