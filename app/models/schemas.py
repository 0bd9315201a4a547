"""What models look like on the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from engine.encoding import Feature
from engine.evaluation import AnyEvaluation
from engine.tasks import Task

ModelRef = Annotated[
    str,
    Field(
        description="A model: its id, its name (the newest version), or name and version as in `name:3`.",
        examples=["species-penguins", "species-penguins:1"],
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
    created_at: datetime


class LineageDataset(BaseModel):
    """The data that a model learned from."""

    id: str | None = Field(description="Null once the data set was deleted.")
    name: str
    sha256: str = Field(description="Of the uploaded bytes, decompressed.")


class Lineage(BaseModel):
    """Where a model comes from: all that is needed to train it again."""

    dataset: LineageDataset
    network: dict[str, Any] = Field(description="The network as it was trained, with every field filled in.")
    training: dict[str, Any] = Field(description="How it was trained, with every field filled in.")
    seed: int
    engine_version: str
    environment: dict[str, Any] = Field(description="Versions, processor and BLAS that it was trained on.")


class Model(ModelItem):
    """A model with where it comes from and how good it is."""

    features: list[Feature] = Field(description="What `predict` takes, in the order of `inputs`.")
    target: dict[str, Any] = Field(description="What it predicts: columns, classes, units.")
    lineage: Lineage
    evaluation: AnyEvaluation | None = Field(
        description="Validation report; null where no rows were kept for validation."
    )
