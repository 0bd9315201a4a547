"""What jobs look like on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from app.jobs.states import Status
from app.names import ModelName, Tag
from engine.encoding import Scaling
from engine.goal import GoalSpec, Plan
from engine.network import NetworkSpec
from engine.training import TrainingSpec


class Limits(BaseModel):
    """Where a job has to end."""

    model_config = ConfigDict(extra="forbid")

    seconds: PositiveInt | None = Field(
        None, description="A job that runs longer than this fails with `time_limit`."
    )


class JobRequest(GoalSpec):
    """A training job to run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset_id": "ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b",
                    "target": "species",
                    "network": {
                        "layers": [{"kind": "dense", "units": 16}, {"kind": "relu"}, {"kind": "dense"}]
                    },
                    "training": {"epochs": 50, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
                }
            ]
        }
    )

    dataset_id: str = Field(description="The data set to learn from.")
    network_id: str | None = Field(None, description="A network defined before.")
    network: NetworkSpec | None = Field(
        None,
        description="The network itself, in place of `network_id`. With neither, the recommended one is used.",
    )
    model_name: ModelName | None = Field(
        None, description="Name of the model that comes out; left out, target + '-' + data set's name."
    )
    training: TrainingSpec = Field(
        TrainingSpec(), description="How to train; each field left out is the recommended recipe's."
    )
    limits: Limits = Field(Limits(), description="Where the job has to end.")
    priority: int = Field(0, ge=-100, le=100, description="Higher ones start first.")
    tags: list[Tag] = Field([], max_length=32, description="Labels to find the job by.")

    @model_validator(mode="after")
    def _one_network(self) -> "JobRequest":
        if self.network_id is not None and self.network is not None:
            raise ValueError("give network_id or network, not both")
        return self


class Progress(BaseModel):
    """How far a job is."""

    epoch: int
    epochs: int
    fraction: float = Field(description="Share of the epochs that are done.")
    seconds: float = Field(description="Seconds since the training began.")
    eta_seconds: float | None = Field(description="Seconds that the rest takes at this speed.")
    samples_per_second: float | None


class Latest(BaseModel):
    """The newest epoch's figures."""

    train_loss: float | None
    validation_loss: float | None
    learning_rate: float
    metrics: dict[str, float | None]


class JobError(BaseModel):
    """Why a job failed."""

    code: str = Field(examples=["process_died"])
    detail: str


class JobSummary(BaseModel):
    """A job in a list."""

    id: str
    status: Status
    model_name: str
    task: str
    dataset_id: str | None = Field(description="Null once the data set was deleted.")
    progress: Progress | None
    latest: Latest | None
    model_id: str | None = Field(description="The model, once the job has succeeded.")
    error: JobError | None
    attempt: int
    priority: int
    tags: list[str]
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Job(JobSummary):
    """A job with the request that made it and the plan that it follows."""

    dataset: dict[str, Any] = Field(description="Name and sha256 of the data set, kept when it is deleted.")
    target: str | list[str] | None
    features: list[str] | None
    sample_weight: str | None
    scaling: Scaling = "standard"
    network_id: str | None
    network: NetworkSpec = Field(description="The network as it is trained, with everything filled in.")
    training: TrainingSpec
    limits: Limits
    plan: Plan


class Point(BaseModel):
    """One epoch."""

    epoch: int = Field(description="Counts from 1.")
    step: int = Field(description="Optimizer steps done.")
    train_loss: float = Field(description="Row-weighted mean of the data loss over the epoch's batches.")
    validation_loss: float | None = Field(description="After the epoch, in evaluation mode.")
    learning_rate: float
    penalty: float = Field(description="L1 and L2 penalty, which train_loss leaves out.")
    seconds: float = Field(description="Since the training began.")
    metrics: dict[str, float | None]


class History(BaseModel):
    """A loss history, thinned evenly to the number of points that was asked for."""

    points: list[Point]
