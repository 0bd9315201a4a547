"""The rules of taking models along and bringing them in. All that reads a model's file does so in a child."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.children import ChildFailed, call
from app.dependencies import Context
from app.ids import new_id
from app.models import service as models
from app.models.schemas import ModelItem
from app.models.service import NewModel
from app.ownership import owner_of
from app.problems import Invalid, NotFound
from app.quotas import check_space
from app.settings import Settings
from app.storage import Storage, publish

Format = Literal["onnx", "safetensors", "python", "keras_weights"]
ENDINGS: dict[Format, str] = {
    "onnx": "onnx",
    "safetensors": "safetensors",
    "python": "py",
    "keras_weights": "npz",
}


@dataclass(frozen=True)
class Export:
    """A model in some format."""

    data: bytes
    filename: str
    encoder: str  # "included", or why it is not


def export(context: Context, ref: str, format_: Format) -> Export:
    """The model in a format; raises `NotFound`, `NotInstalled`, and `Invalid` where the format cannot hold it."""
    with context.database.read() as session:
        found = models.resolve(session, ref)
    filename = f"{found.name}-{found.version}.{ENDINGS[format_]}"
    kept = context.storage.model(found.id)
    if format_ == "safetensors":
        try:
            return Export(kept.read_bytes(), filename, "included")
        except FileNotFoundError:
            raise NotFound(f"model {found.id} has just been deleted") from None
    about = {"model_id": found.id, "name": found.name, "version": str(found.version), "sha256": found.sha256}
    settings = context.settings
    with context.storage.scratch(new_id("mdl")) as folder:
        out = folder / "export"
        try:
            told = call(
                "app.exchange.files:export",
                kept,
                about,
                format_,
                out,
                seconds=settings.evaluate_seconds,
                memory=settings.memory_budget,
            )
        except ChildFailed as error:
            raise Invalid(f"the model could not be exported: {error}") from None
        return Export(out.read_bytes(), filename, told["encoder_left_out"] or "included")


def look_into(settings: Settings, upload: Path) -> dict[str, Any]:
    """What an uploaded model is; raises `Invalid` for a file that is none."""
    try:
        return call(
            "app.exchange.files:describe",
            upload,
            settings.memory_budget,
            seconds=settings.evaluate_seconds,
            memory=settings.memory_budget,
        )
    except ChildFailed as error:
        raise Invalid(f"the file could not be read as a model: {error}", code="unreadable_file") from None


def create(
    session: Session, storage: Storage, upload: Path, name: str, described: dict[str, Any]
) -> ModelItem:
    """Keep the file, then record it as the next version of its name."""
    new = NewModel(
        id=new_id("mdl"),
        name=name,
        job_id=None,
        dataset_id=None,
        evaluation=None,
        tags=[],
        owner=owner_of(session),
        **described,
    )
    check_space(session, new.bytes)
    publish(upload, storage.model(new.id))
    return models.create(session, new)
