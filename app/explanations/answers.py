"""What explanations look like on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Png = Annotated[str | None, Field(description="A picture as PNG in base64.")]
Scored = dict[str, float | None]
"""A number for each class, label or target."""


class Explanation(BaseModel):
    """What every answer begins with."""

    model_id: str
    version: int
    method: str
    warnings: list[str] = Field([], description="What is odd about the rows or the answer.")


class Attribution(BaseModel):
    """What one feature did to a score."""

    feature: str
    value: Any = Field(description="Of the record, as the model read it; null: missing.")
    attribution: float


class RecordAttributions(BaseModel):
    """A record's score, taken apart."""

    output: str = Field(description="The class, label or target.")
    score: float
    reference_score: float = Field(description="Of the reference, or the mean of several.")
    attributions: list[Attribution] = Field(
        description="The largest first. They add up to score - reference_score."
    )
    error: float = Field(
        description="By how much the sum misses that: at most 0.001 of a probability, or of a target's deviation."
    )
    values: list[list[float]] | None = Field(
        None, description="Of gradients of an image: what each pixel did, [row][column]; they add up alike."
    )
    png: Png = None
    points: float | None = Field(None, description="On the way from a reference, on average; of gradients.")
    coalitions: int | None = Field(None, description="That were evaluated, of Shapley values.")
    exact: bool | None = Field(None, description="Whether these were all coalitions.")
    warnings: list[str] = []


class Attributions(Explanation):
    """Of integrated gradients, expected gradients and Shapley values."""

    reference: str = Field(description="What the records are compared with.")
    references: int = Field(description="How many rows that is.")
    explanations: list[RecordAttributions]


class Importance(BaseModel):
    """How much a feature matters to the model."""

    feature: str
    importance: float
    std: float | None = Field(None, description="Over the repeats.")
    repeats: list[float] | None = None


class Importances(Explanation):
    """The features by importance, the largest first."""

    measure: str = Field(description="What is counted: the growth of this loss, or the share of the weights.")
    baseline: float | None = Field(None, description="The loss of the rows as they are.")
    rows: int | None = None
    rows_from: str | None = Field(
        None, description="Where the rows come from, and whether they were trained on."
    )
    importances: list[Importance]
    inputs: list[Importance] | None = Field(None, description="By encoded input, where these are told apart.")


class Effects(Explanation):
    """The effect of one feature on the scores."""

    feature: str
    rows: int
    rows_from: str = Field(description="Which rows these are.")
    values: list[Any] = Field(description="Of the feature.")
    effects: dict[str, list[float]] = Field(description="By class, label or target, one a value.")
    stds: dict[str, list[float]] | None = Field(None, description="Over the rows, of partial dependence.")
    counts: list[int] | None = Field(None, description="Rows in each interval, of accumulated local effects.")


class Surface(Explanation):
    """The scores over a grid of two features."""

    x: str
    y: str
    x_values: list[Any]
    y_values: list[Any]
    scores: dict[str, list[list[float]]] = Field(description="By class, label or target: [y value][x value].")
    labels: list[list[str]] | None = Field(None, description="The most probable class: [y value][x value].")
    png: Png = None


class Map(BaseModel):
    """What speaks for a score in an image, and where."""

    output: str
    score: float
    layer: int | None = Field(None, description="Of Grad-CAM.")
    values: list[list[float]] = Field(description="[row][column]; positive speaks for the score.")
    png: Png = None


class Maps(Explanation):
    """Of Grad-CAM and occlusion."""

    explanations: list[Map]


class Tensor(BaseModel):
    """An array of numbers, whole or as far as it is told."""

    shape: list[int]
    mean: float
    std: float
    min: float
    max: float
    values: list[float] | None = Field(
        None, description="Row by row (C order); null where they are too many to be told."
    )


class Weight(BaseModel):
    """A parameter of a layer."""

    name: str
    values: Tensor
    gradient: Tensor | None = None


class RecordLayer(BaseModel):
    """What goes on in a layer for one record."""

    output: str
    score: float
    activation: Tensor
    gradient: Tensor = Field(description="Of the score with respect to the activation.")
    weights: list[Weight]


class LayerValues(Explanation):
    """A layer at work on records."""

    layer: int
    kind: str
    explanations: list[RecordLayer]


class LayerWeights(BaseModel):
    """A layer and its weights."""

    layer: int
    kind: str
    output_shape: list[int]
    weights: list[Weight]


class Layers(Explanation):
    """The layers of a model's network with figures of their weights."""

    layers: list[LayerWeights]


class NearRow(BaseModel):
    """A row of the data near a record."""

    row: int = Field(description="Its number in the data set, from 0.")
    distance: float
    values: dict[str, Any] = Field(description="Its features and its target.")


class Neighbors(BaseModel):
    """The rows nearest to one record."""

    rows: list[NearRow]


class Nearest(Explanation):
    """The rows nearest to each record."""

    space: Literal["inputs", "hidden"]
    explanations: list[Neighbors]


class LossHistory(BaseModel):
    """A row's loss on the way through the training."""

    epochs: list[int] = Field(description="After which the loss was taken, counted from 1.")
    losses: list[float]


class Suspect(BaseModel):
    """A row that the model finds hard."""

    row: int = Field(description="Its number in the data set, from 0.")
    loss: float
    given: Any = Field(description="Its target.")
    predicted: Any
    suspect: bool | None = Field(description="Whether its label is likely to be wrong; null without classes.")
    likely: str | None = Field(None, description="The class that it seems to have, where suspect.")
    probability: float | None = Field(None, description="Of the given class.")
    out_of_sample: bool | None = Field(
        description="Whether what answered was not trained on it; null: not known."
    )
    history: LossHistory | None = Field(
        None,
        description="Of a training row, where the training kept `row_losses`; `loss` is then of the mean answer.",
    )
    values: dict[str, Any]


class Suspects(Explanation):
    """The rows with the highest loss, suspect labels first."""

    measure: str
    rows: int
    suspects: int | None = Field(description="Rows whose label is suspect, of all.")
    thresholds: dict[str, float | None] | None = Field(
        None, description="The mean probability of each class among its own rows."
    )
    items: list[Suspect]


class Changed(BaseModel):
    """A feature that is changed."""

    feature: str
    before: Any
    after: Any


class Counterfactual(BaseModel):
    """A record that is answered differently."""

    changes: list[Changed]
    distance: float
    prediction: Scored


class RecordCounterfactuals(BaseModel):
    """What would have to change for another answer."""

    prediction: Scored
    counterfactuals: list[Counterfactual] = Field(description="Empty where none was found.")


class Counterfactuals(Explanation):
    """Of each record."""

    explanations: list[RecordCounterfactuals]


AnyAnswer = (
    Attributions | Importances | Effects | Surface | Maps | LayerValues | Nearest | Suspects | Counterfactuals
)
"""The answer of POST explain."""
