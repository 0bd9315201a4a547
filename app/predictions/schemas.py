"""What questions to a model and its answers look like on the wire."""

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from app.explanations.answers import RecordAttributions
from engine.encoding import Label
from engine.evaluation import AnyEvaluation
from engine.trust.thresholds import ThresholdChoice

MAX_ROWS = 10_000

EXAMPLES: dict[str, Any] = {
    "records": {
        "summary": "By column name",
        "description": "A column that is missing or null is a missing value, which the model can handle.",
        "value": {
            "records": [
                {
                    "island": "Torgersen",
                    "bill_length_mm": 39.1,
                    "bill_depth_mm": 18.7,
                    "flipper_length_mm": 181,
                    "body_mass_g": 3750,
                    "sex": "male",
                    "year": 2007,
                }
            ]
        },
    },
    "inputs": {
        "summary": "In the order of the model's features",
        "description": "GET the model: `features` says the order.",
        "value": {"inputs": [["Torgersen", 39.1, 18.7, 181, 3750, "male", 2007]]},
    },
}
CSV_EXAMPLE = """island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year
Torgersen,39.1,18.7,181,3750,male,2007
Biscoe,47.5,15,218,4950,female,2009
"""


class PredictRequest(BaseModel):
    """Rows to answer, by column name or in the order of the model's features; one of both."""

    model_config = ConfigDict(extra="forbid")

    records: list[dict[str, Any]] | None = Field(
        None, min_length=1, max_length=MAX_ROWS, description="Raw values by column name."
    )
    inputs: list[list[Any]] | None = Field(
        None, min_length=1, max_length=MAX_ROWS, description="Raw values in the order of `features`."
    )


RECORD_BODIES = {
    "application/json": {"schema": PredictRequest.model_json_schema(), "examples": EXAMPLES},
    "text/csv": {
        "schema": {"type": "string", "description": "A header and rows, separated by commas."},
        "examples": {"csv": {"summary": "Header and rows", "value": CSV_EXAMPLE}},
    },
}
"""The bodies that hold rows as records, as the OpenAPI document has them by their type."""


class _Prediction(BaseModel):
    warnings: list[str] = Field(
        description="What was odd about the row.", examples=[["unseen category 'x' in island"]]
    )
    columns: dict[str, Any] | None = Field(
        None, description="The values of the columns that `columns` asks for, as they were sent."
    )
    explanation: RecordAttributions | None = Field(
        None, description="What each feature did to the answer, where `explain` asks for it."
    )


class ClassPrediction(_Prediction):
    """Of a binary or multiclass model."""

    label: Label = Field(
        description="The most probable class; of ordered classes the median: as much is below as above.",
        examples=["Adelie"],
    )
    probabilities: dict[str, float | None] = Field(
        description="Of every class; with `top` of the most probable ones.", examples=[{"Adelie": 0.98}]
    )
    set: list[Label] | None = Field(
        None,
        description="Of a model with calibration rows: classes that hold the true one with probability `coverage`, "
        "over all rows; empty where no class is probable enough.",
    )
    coverage: float | None = Field(None, description="Of the set.", examples=[0.9])


class LabelsPrediction(_Prediction):
    """Of a multilabel model."""

    labels: list[str] = Field(
        description="The labels with a probability above 1/2, or of `threshold` and more."
    )
    probabilities: dict[str, float | None] = Field(description="Of every label.")


class Interval(BaseModel):
    """Where the true value is with probability `coverage`, over all rows."""

    coverage: float
    low: float | None = Field(description="Null: the calibration rows are too few for a bound.")
    high: float | None


class _Forecast(_Prediction):
    after: str | float | None = Field(
        None,
        description="Of a series: the time of the last row that was read.",
        examples=["2026-11-01T00:00:00"],
    )
    group: Label | float | None = Field(None, description="Of a series among several: which one.")


class ValuePrediction(_Forecast):
    """Of a regression with one target, or of a series with a horizon of 1."""

    value: float | None = Field(examples=[3.2])
    interval: Interval | None = Field(None, description="Of a model with calibration rows.")


class ValuesPrediction(_Forecast):
    """Of a regression with several targets, or of a series."""

    values: dict[str, float | None] = Field(
        description="By target; of a series by target and step, such as `sales+2`: the second row after the last."
    )
    intervals: dict[str, Interval] | None = Field(
        None, description="By target, each by itself; of a model with calibration rows."
    )


class ReconstructionPrediction(_Prediction):
    """Of an autoencoder."""

    reconstruction_error: float | None = Field(description="Mean squared error of the encoded row.")
    anomaly_score: float | None = Field(
        None, description="Share of the rows kept for validation whose error is not larger, 0 to 1."
    )
    anomaly: bool | None = Field(
        None, description="Whether the error is above the job's `anomaly_quantile` of those rows' errors."
    )
    contributions: dict[str, float | None] | None = Field(
        None,
        description="The features with the largest parts of the error, at most 10; the parts of all sum to it.",
    )


AnyPrediction = (
    ClassPrediction | LabelsPrediction | ValuePrediction | ValuesPrediction | ReconstructionPrediction
)


class Shape(NamedTuple):
    """How a request wants its answers; nothing by default."""

    top: int | None = None
    threshold: float | None = None
    columns: tuple[str, ...] = ()


class TableQuestion(NamedTuple):
    """What is asked about a table that came as bytes."""

    kind: str  # arrow or npy
    as_json: bool  # the answer; else as an Arrow stream
    coverage: float | None  # of sets and intervals, if they are asked for
    shape: Shape

    @property
    def has_parts(self) -> bool:
        """Whether the answers to some of the rows are a part of the answer, whatever the others are."""
        return not self.as_json and self.coverage is None and self.shape == Shape()


class Predictions(BaseModel):
    """A model's answers, one a row, in the order of the rows; of rows over time one a series."""

    model_id: str
    version: int
    predictions: list[AnyPrediction]


class JobPredictions(BaseModel):
    """The answers of a training that is not over, one a row, in the order of the rows."""

    job_id: str
    epoch: int = Field(description="Whole epochs that are in the weights.")
    step: int = Field(description="Steps that are in the weights.")
    predictions: list[AnyPrediction]


class OutOfFoldRow(BaseModel):
    """A row's answer by the networks that did not train on it; the answer's own fields are those of a prediction.

    Of a series: what changes after the row, in place of the values.
    """

    model_config = ConfigDict(extra="allow")

    row: int = Field(
        description="Its number in the data set, from 0: `cursor` of `GET /v1/datasets/{id}/rows`."
    )
    fold: int = Field(description="Number of the network that answered, the first of several.")
    networks: int = Field(description="How many answered; the answer is the mean of theirs.")


class OutOfFoldPage(BaseModel):
    """Out-of-fold answers in the order of the data set's rows; rows that validated no network are left out."""

    model_id: str
    version: int
    items: list[OutOfFoldRow]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one.")


class EvaluateRequest(BaseModel):
    """The data set to hold a model against."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: str = Field(description="A data set that has the model's target and features.")
    threshold_by: ThresholdChoice | None = Field(
        None,
        description="For two classes: the measure that the report's chosen threshold is best by, or what errors cost.",
        examples=["f1", {"costs": {"false_positive": 1, "false_negative": 5}}],
    )


class Evaluated(BaseModel):
    """How good a model is on a data set."""

    model_id: str
    version: int
    dataset_id: str
    rows: int = Field(description="Rows that were counted.")
    warnings: list[str] = Field(examples=[["species is missing in 2 of 344 rows, which are left out"]])
    evaluation: AnyEvaluation
