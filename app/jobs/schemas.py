"""What jobs look like on the wire."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from app.jobs.states import MAX_CRASHES, Status
from app.names import ModelName, Tag
from engine.doctor import Finding
from engine.encoding import Categories, Scaling, Texts
from engine.forecasting.spec import SeriesSpec
from engine.goal import GoalSpec, Plan, Quality
from engine.network import NetworkSpec
from engine.templates import AnyTemplate
from engine.training import Changes, TrainingSpec


class Limits(BaseModel):
    """Where a job has to end."""

    model_config = ConfigDict(extra="forbid")

    seconds: PositiveInt | None = Field(
        None,
        description="A job that runs longer than this fails with `time_limit`; all attempts count together.",
    )
    memory_bytes: PositiveInt | None = Field(
        None,
        le=2**63 - 1,
        description="A job that needs more memory than this fails with `out_of_memory`; left out: the budget.",
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
    template: AnyTemplate | None = Field(
        None,
        description="Makes the network, in place of `network`; see GET /v1/catalog.",
        examples=[{"kind": "mlp", "hidden": [64, 64]}],
    )
    start_from: str | None = Field(
        None,
        max_length=200,
        description="A model (id, name or name:version) whose weights training starts from. The network is the "
        "model's, or one of the same shapes.",
        examples=["species-penguins:1"],
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
        if sum(given is not None for given in (self.network_id, self.network, self.template)) > 1:
            raise ValueError("give one of network_id, network and template, not more")
        return self


class JobChanges(Changes):
    """What to change of a job that has not ended; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"learning_rate": 0.0003, "epochs": 300}]})

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(value is None for _, value in self):
            raise ValueError("give at least one of learning_rate, patience and epochs")
        return self


class Continuation(BaseModel):
    """How a finished job goes on, as a new job."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"epochs": 50}]})

    epochs: PositiveInt = Field(le=1_000_000, description="How many epochs more.")
    learning_rate: float | None = Field(
        None, gt=0, le=1000, description="The optimizer's learning rate from here on; left out, as before."
    )
    patience: PositiveInt | None = Field(
        None,
        le=1_000_000,
        description="Epochs without a better validation loss after which it ends; left out: enough for all new ones.",
    )


class Change(Changes):
    """A change of a job."""

    step: int | None = Field(
        description="Optimizer steps that were done when it took effect; null as long as it has not."
    )
    requested_at: datetime


class Checkpoint(BaseModel):
    """A state of a job from which it can go on."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int = Field(description="The attempt that wrote it; 0: what the job started from.")
    epoch: int = Field(description="Epochs done.")
    step: int = Field(description="Optimizer steps done.")
    bytes: int
    sha256: str = Field(description="Of its file.")
    environment: dict[str, Any] = Field(
        description="Versions, processor, BLAS and kernels that it was written with."
    )
    created_at: datetime


class Checkpoints(BaseModel):
    """What is kept of a job's checkpoints."""

    items: list[Checkpoint] = Field(description="Newest first.")


class Replay(BaseModel):
    """What a replay has to come to, and whether it did."""

    of: str = Field(description="The job that is trained again.")
    weights_sha256: str = Field(description="Of that job's weights.")
    equal: bool | None = Field(
        description="Whether the weights are the same, bit by bit; null until it has ended."
    )


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
    attempt: int = Field(
        description="Counts from 1: each start after a pause, a crash or a retry is another."
    )
    crashes: int = Field(description=f"Attempts that died; after {MAX_CRASHES} the job fails.")
    priority: int
    tags: list[str]
    cancel_requested_at: datetime | None
    pause_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Job(JobSummary):
    """A job with the request that made it and the plan that it follows."""

    dataset: dict[str, Any] = Field(description="Name and sha256 of the data set, kept when it is deleted.")
    target: str | list[str] | None
    features: list[str] | None
    series: SeriesSpec | None = Field(
        None, description="How rows over time are read; null: each is by itself."
    )
    sample_weight: str | None
    quality: Quality | None = Field(None, description="Of the recipe; null where the network was given.")
    scaling: Scaling = "standard"
    categories: Categories = "one_hot"
    texts: Texts = "leave_out"
    clip: bool = Field(False, description="Whether predicted numbers stay in the training rows' range.")
    network_id: str | None
    network: NetworkSpec = Field(description="The network as it is trained, with everything filled in.")
    training: TrainingSpec
    limits: Limits
    start_from: str | None = Field(None, description="The model whose weights training started from.")
    continues: str | None = Field(description="The job whose end this one started from.")
    changes: list[Change] = Field(description="What was changed after the job was launched, in order.")
    findings: list[Finding] = Field(description="What the training doctor has found, in order.")
    request: dict[str, Any] = Field(
        description="The request with every default filled in: send it again, as it is or with a remedy's patch."
    )
    environment_changed: bool = Field(
        description="Whether it went on from a checkpoint of another environment: its bits may differ then."
    )
    weights_sha256: str | None = Field(description="Of the weights of its model, once it has succeeded.")
    replay: Replay | None
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
    fold: int | None = Field(
        None,
        description="The network's number, from 1, where several are trained one after the other; epochs and steps "
        "count on through all of them.",
    )
    fold_epoch: int | None = Field(None, description="The epoch of this network, from 1.")


class History(BaseModel):
    """A loss history, thinned evenly to the number of points that was asked for."""

    points: list[Point]
