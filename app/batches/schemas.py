"""What batch predictions look like on the wire."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.jobs.schemas import JobError
from app.jobs.states import Status

Format = Literal["parquet", "csv"]


class BatchRequest(BaseModel):
    """The data set whose rows are to be answered, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"dataset_id": "ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b", "format": "parquet"}]
        },
    )

    dataset_id: str = Field(description="A data set that has the model's features.")
    format: Format = Field("parquet", description="Of the result.")
    interval: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="As of a prediction: the probability with which sets of classes, or intervals, are to hold the "
        "truth. For models that were trained with calibration rows.",
    )
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="As of a prediction: the probability from which on the answer is the second of two classes, or a "
        "label holds; left out, 1/2.",
    )
    columns: list[str] = Field(
        [],
        max_length=100,
        description="Columns of the data set to stand beside the answers, as `input.NAME`.",
        examples=[["id"]],
    )


class BatchProgress(BaseModel):
    """How far a batch prediction is."""

    rows: int = Field(description="Answered by now.")
    total: int
    fraction: float
    seconds: float
    eta_seconds: float | None


class BatchResult(BaseModel):
    """The file with the answers: a row for each row of the data set, in its order."""

    rows: int
    bytes: int
    sha256: str
    path: str = Field(description="Where it can be downloaded.")


class BatchPrediction(BaseModel):
    """A batch prediction."""

    id: str = Field(examples=["bat_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"])
    status: Status
    model_id: str
    model_name: str
    version: int
    dataset_id: str | None = Field(description="Null once the data set was deleted.")
    format: Format
    interval: float | None
    threshold: float | None
    columns: list[str]
    progress: BatchProgress | None
    result: BatchResult | None = Field(description="Null until it has succeeded.")
    error: JobError | None
    attempt: int = Field(
        description="Counts from 1; each one goes on after what the one before has answered."
    )
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class BatchRun(BaseModel):
    """What the process of a batch prediction is told."""

    data: Path  # the data folder
    scratch: Path  # a folder for unfinished files, which the worker holds
    batch_id: str
    model_id: str
    model_sha256: str
    dataset_id: str
    total: int  # rows
    format: Format
    interval: float | None
    threshold: float | None
    columns: list[str]
    memory: int  # bytes
