"""What questions to a model and its answers look like on the wire."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.encoding import Label
from engine.evaluation import AnyEvaluation

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


class _Prediction(BaseModel):
    warnings: list[str] = Field(
        description="What was odd about the row.", examples=[["unseen category 'x' in island"]]
    )


class ClassPrediction(_Prediction):
    """Of a binary or multiclass model."""

    label: Label = Field(description="The most probable class.", examples=["Adelie"])
    probabilities: dict[str, float | None] = Field(description="Of every class.", examples=[{"Adelie": 0.98}])


class LabelsPrediction(_Prediction):
    """Of a multilabel model."""

    labels: list[str] = Field(description="The labels with a probability above 1/2.")
    probabilities: dict[str, float | None] = Field(description="Of every label.")


class ValuePrediction(_Prediction):
    """Of a regression with one target."""

    value: float | None = Field(examples=[3.2])


class ValuesPrediction(_Prediction):
    """Of a regression with several targets."""

    values: dict[str, float | None] = Field(description="By target.")


class ReconstructionPrediction(_Prediction):
    """Of an autoencoder."""

    reconstruction_error: float | None = Field(description="Mean squared error of the encoded row.")


class Predictions(BaseModel):
    """A model's answers, one a row, in the order of the rows."""

    model_id: str
    version: int
    predictions: list[
        ClassPrediction | LabelsPrediction | ValuePrediction | ValuesPrediction | ReconstructionPrediction
    ]


class EvaluateRequest(BaseModel):
    """The data set to hold a model against."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: str = Field(description="A data set that has the model's target and features.")


class Evaluated(BaseModel):
    """How good a model is on a data set."""

    model_id: str
    version: int
    dataset_id: str
    rows: int = Field(description="Rows that were counted.")
    warnings: list[str] = Field(examples=[["species is missing in 2 of 344 rows, which are left out"]])
    evaluation: AnyEvaluation
