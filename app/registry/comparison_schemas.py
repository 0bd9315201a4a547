"""What a comparison of models or jobs looks like on the wire. Every list of `values` is in the order of `items`."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.jobs.schemas import Point
from engine.encoding import Label


class Compared(BaseModel):
    """A model or a job that is compared."""

    ref: str = Field(description="As it was asked for.")
    job_id: str | None = Field(description="Null for an imported model.")
    model_id: str | None = Field(description="Null for a job without a model, or whose model was deleted.")
    name: str = Field(description="The model's name.")
    version: int | None
    task: str
    created_at: datetime


class DifferentParameter(BaseModel):
    """A value that is not the same for all."""

    pointer: str = Field(examples=["/training/optimizer/learning_rate"])
    values: list[Any] = Field(description="Null where it is not there.", examples=[[0.001, 0.01]])


class ComparedMetric(BaseModel):
    """One figure of the reports."""

    name: str = Field(examples=["log_loss"])
    report: Literal["own", "test"] = Field(
        description="own: the model's report; test: that on its test rows."
    )
    higher_is_better: bool
    values: list[float | None]
    differences: list[float | None] = Field(description="Each value minus the first one.")
    best: int | None = Field(description="Place of the best value, from 0; null where any is missing.")


class ComparedSlice(BaseModel):
    """One part of the rows that all reports tell of."""

    feature: str
    value: Label | None
    low: float | None
    high: float | None
    rows: list[int]
    scores: list[dict[str, float]]
    differences: list[dict[str, float]] = Field(description="Each one's scores minus the first one's.")


class Curve(BaseModel):
    """A loss history, thinned evenly; empty where the job is gone."""

    job_id: str | None
    points: list[Point]


class Comparison(BaseModel):
    """Models or jobs side by side, the first of them the one that the others are compared with."""

    items: list[Compared]
    warnings: list[str] = Field(
        description="Why figures may not be comparable.",
        examples=[["the reports are of different rows: evaluate the models on one data set"]],
    )
    parameters: list[DifferentParameter] = Field(description="Only what differs; at most 500.")
    metrics: list[ComparedMetric]
    slices: list[ComparedSlice]
    curves: list[Curve]
