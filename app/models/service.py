"""The rules of models: how they are named, found and forgotten."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.database import Database, now
from app.models import store
from app.models.schemas import Model, ModelChanges, ModelItem
from app.models.store import ModelRow
from app.paging import Page, page
from app.problems import Conflict, NotFound
from app.storage import Storage, remove
from app.webhooks.outbox import emit
from engine.tasks import Task

_VERSIONED = re.compile(r"(?P<name>[^:@]+):(?P<version>[1-9][0-9]{0,8})")
_ALIASED = re.compile(r"(?P<name>[^:@]+)@(?P<alias>[^:@]+)")


@dataclass(frozen=True)
class NewModel:
    """A model whose file lies under its id already."""

    id: str
    name: str
    task: Task
    job_id: str | None
    dataset_id: str | None
    bytes: int
    sha256: str
    features: list[dict[str, Any]]
    target: dict[str, Any]
    lineage: dict[str, Any]  # schemas.Lineage
    evaluation: dict[str, Any] | None
    tags: list[str]
    owner: str = ""  # of the job


def create(session: Session, new: NewModel) -> ModelItem:
    """Record a model under the next version of its name, in the caller's transaction."""
    row = ModelRow(**vars(new), version=store.next_version(session, new.owner, new.name), created_at=now())
    session.add(row)
    session.flush()
    emit(session, row.owner, "model.created", _told(row))
    return _item(row)


def listed(
    session: Session, *, name: str | None, tag: str | None, limit: int, cursor: str | None
) -> Page[ModelItem]:
    """A page of models, filtered."""
    return page(session, store.matching(name, tag), ModelRow.id, limit=limit, cursor=cursor, view=_item)


def resolve(session: Session, ref: str) -> ModelItem:
    """The model that `ref` names, without what only a reader of it needs; raises `NotFound`."""
    return _item(_row(session, ref))


def get(session: Session, ref: str) -> Model:
    """The model that `ref` names; raises `NotFound`."""
    row = _row(session, ref)
    dataset = row.lineage["dataset"]
    if dataset is not None:  # an imported model has none
        dataset = dataset | {"id": row.dataset_id}  # null once the data set is gone
    return Model.model_validate(
        {name: getattr(row, name) for name in Model.model_fields}
        | {"lineage": row.lineage | {"dataset": dataset}}
    )


def change(session: Session, ref: str, changes: ModelChanges) -> ModelItem:
    """Change a model's tags and notes; raises `NotFound`."""
    row = _row(session, ref)
    if changes.tags is not None:
        row.tags = list(dict.fromkeys(changes.tags))
    if changes.notes is not None:
        row.notes = changes.notes
    session.flush()
    return _item(row)


def delete(database: Database, storage: Storage, ref: str) -> str:
    """Forget a model and then its file; its id. Raises `NotFound`, and `Conflict` while it is in use."""
    try:
        with database.write() as session:
            row = _row(session, ref)
            session.delete(row)
            session.flush()
            emit(session, row.owner, "model.deleted", _told(row))
    except IntegrityError:
        raise Conflict(
            f"the model {ref[:100]} is still in use: move or delete its aliases, and wait for the jobs that need it "
            "or cancel them"
        ) from None
    remove(storage.model(row.id))
    return row.id


def _row(session: Session, ref: str) -> ModelRow:
    if versioned := _VERSIONED.fullmatch(ref):
        row = store.of_version(session, versioned["name"], int(versioned["version"]))
    elif aliased := _ALIASED.fullmatch(ref):
        row = store.of_alias(session, aliased["name"], aliased["alias"])
    elif ref.startswith("mdl_"):
        row = store.get(session, ref)
    else:
        row = store.newest(session, ref)
    if row is None:
        raise NotFound(
            f"there is no model {ref[:100]}; name one by its id, its name, name:version or name@alias"
        )
    return row


def _told(row: ModelRow) -> dict[str, Any]:
    """What webhooks are told of a model."""
    return {name: getattr(row, name) for name in ("id", "name", "version", "task", "job_id", "sha256")}


def _item(row: ModelRow) -> ModelItem:
    return ModelItem.model_validate(row, from_attributes=True)
