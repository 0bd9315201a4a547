"""The HTTP of models."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.bodies import StrictRoute
from app.dependencies import ContextDep, ReadSessionDep, WriteSessionDep
from app.errors import problems
from app.models import service
from app.models.schemas import Model, ModelChanges, ModelItem, ModelRef
from app.paging import Cursor, Limit, Page
from app.problems import Busy, Conflict, Invalid, NotFound, StorageFull, TooLarge, UnsupportedMediaType

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute)


@router.get("", summary="List models", responses=problems(Invalid))
def list_models(
    session: ReadSessionDep,
    name: Annotated[str | None, Query(description="Only versions of this name.")] = None,
    tag: Annotated[str | None, Query(description="Only models with this tag.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[ModelItem]:
    """Models, newest first, without their reports."""
    return service.listed(session, name=name, tag=tag, limit=limit, cursor=cursor)


@router.get("/{ref}", summary="Get a model", responses=problems(NotFound))
def get_model(ref: ModelRef, session: ReadSessionDep) -> Model:
    """A model with its lineage, its validation report, and the features that `predict` takes."""
    return service.get(session, ref)


@router.patch(
    "/{ref}",
    summary="Change a model",
    responses=problems(NotFound, Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
)
def change_model(ref: ModelRef, changes: ModelChanges, session: WriteSessionDep) -> ModelItem:
    """Change a model's tags and notes. Nothing else about a model ever changes."""
    return service.change(session, ref, changes)


@router.delete(
    "/{ref}",
    summary="Delete a model",
    status_code=204,
    responses=problems(NotFound, Conflict, Busy, StorageFull),
)
def delete_model(ref: ModelRef, context: ContextDep) -> None:
    """Delete a model and its file. Its version's number is not used again.

    Refused while an alias stands for it, or a job that is not finished needs it.
    """
    model_id = service.delete(context.database, context.storage, ref)
    context.loaded.drop(model_id)
