"""What models look like on the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.names import Tag
from engine.encoding import Feature
from engine.evaluation import AnyEvaluation
from engine.tasks import Task

ModelRef = Annotated[
    str,
    Field(
        description="A model: its id, its name (the newest version), name and version as in `name:3`, or name and "
        "alias as in `name@champion`.",
        examples=["species-penguins", "species-penguins:1", "species-penguins@champion"],
    ),
]


class ModelItem(BaseModel):
    """A model in a list."""

    id: str = Field(examples=["mdl_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"])
    name: str = Field(examples=["species-penguins"])
    version: int = Field(description="Counts from 1 within the name; never used twice.")
    task: Task
    job_id: str | None = Field(description="The job that made it.")
    dataset_id: str | None = Field(description="What it learned from; null once the data set was deleted.")
    bytes: int = Field(description="Size of its file.")
    sha256: str = Field(description="Of its file.")
    tags: list[str]
    notes: str = Field("", description="What people have to say about it.")
    created_at: datetime


class ModelChanges(BaseModel):
    """What may be changed about a model; what is left out or null stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"tags": ["reviewed"], "notes": "Trained without the 2009 season."}]},
    )

    tags: list[Tag] | None = Field(None, max_length=32, description="Labels to find the model by.")
    notes: str | None = Field(None, max_length=20_000, description="Free text, such as Markdown.")


class LineageDataset(BaseModel):
    """The data that a model learned from."""

    id: str | None = Field(description="Null once the data set was deleted.")
    name: str
    sha256: str = Field(description="Of the uploaded bytes, decompressed.")


class Imported(BaseModel):
    """The file that a model was imported from."""

    sha256: str
    bytes: int
    metadata: dict[str, str] = Field(description="What the file says besides the model itself; not checked.")


class Lineage(BaseModel):
    """Where a model comes from: all that is needed to train it again. Of an imported one little is known."""

    dataset: LineageDataset | None = Field(description="Null for an imported model.")
    imported: Imported | None = Field(
        None, description="The file it was imported from; null for a trained one."
    )
    network: dict[str, Any] = Field(description="The network as it was trained, with every field filled in.")
    training: dict[str, Any] = Field(description="How it was trained, with every field filled in.")
    seed: int | None = Field(description="Null for an imported model.")
    engine_version: str
    environment: dict[str, Any] = Field(description="Versions, processor and BLAS that it was trained on.")
    changes: list[dict[str, Any]] = Field([], description="What was changed on the way, and at which steps.")
    continues: str | None = Field(None, description="The job whose end the training started from.")
    start_from: str | None = Field(None, description="The model whose weights the training started from.")
    weights_sha256: str | None = Field(None, description="Of the weights; a replay comes to the same.")


class Model(ModelItem):
    """A model with where it comes from and how good it is."""

    features: list[Feature] = Field(description="What `predict` takes, in the order of `inputs`.")
    target: dict[str, Any] = Field(description="What it predicts: columns, classes, units.")
    lineage: Lineage
    evaluation: AnyEvaluation | None = Field(
        description="Validation report; null where no rows were kept for validation."
    )
