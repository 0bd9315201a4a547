"""What a model card holds: what somebody must know who is about to use a model that others have made.

After Mitchell et al. 2019, Model cards for model reporting.
"""

from typing import Any

from pydantic import BaseModel, Field

from app.models.schemas import Imported, ModelItem
from engine.encoding import Feature
from engine.goal import LeftOut, Rows
from engine.reports import RowsOf
from engine.trust.slices import Slice


class CardData(BaseModel):
    """The data that the model learned from; what was known only to its job is null where that was deleted."""

    name: str
    sha256: str = Field(description="Of the uploaded bytes, decompressed.")
    dataset_id: str | None = Field(description="Null once the data set was deleted.")
    rows: Rows | None
    class_counts: dict[str, int] | None = Field(description="Training rows of each class.")
    left_out: list[LeftOut] = Field(description="Columns that were not learned from, and why.")


class CardTraining(BaseModel):
    """How the model was trained."""

    layers: list[str] = Field(
        description="The network's layers in order.", examples=[["dense 64", "relu", "dense 3"]]
    )
    parameters: int | None
    optimizer: str
    learning_rate: float | None
    loss: str
    epochs: int = Field(description="As asked for.")
    best_epoch: int | list[int | None] | None = Field(
        description="The epoch whose weights were kept, of several networks that of each; null: the last one's."
    )
    stopped_early: bool
    seed: int | None
    job_id: str | None
    seconds: float | None = Field(description="That the training took.")
    start_from: str | None = Field(description="The model whose weights the training started from.")
    changes: int = Field(description="Of the recipe while it was trained.")
    notes: list[str] = Field(description="What the service decided on the way.")


class CardBaseline(BaseModel):
    """A simpler model on the same rows."""

    kind: str
    scores: dict[str, float]


class CardEvaluation(BaseModel):
    """How good the model is, as far as it was seen."""

    of: RowsOf
    rows: int
    figures: dict[str, float | None]
    test: dict[str, float | None] | None = Field(
        description="The same on test rows, where some were set aside."
    )
    test_rows: int | None
    baselines: list[CardBaseline] = Field(description="The model itself comes first, as `network`.")
    summary: list[str] = Field(description="What the comparison comes to.")
    confusion_labels: list[Any] | None
    confusion: list[list[int]] | None = Field(description="[true class][predicted class].")


class CardUse(BaseModel):
    """How to ask the model."""

    method: str
    path: str
    body: dict[str, Any] = Field(description="A record with typical values of the training data.")


class Card(BaseModel):
    """A model card."""

    model: ModelItem
    aliases: list[str]
    predicts: str = Field(examples=["one of 3 classes of species, from 7 columns"])
    target: dict[str, Any]
    features: list[Feature]
    data: CardData | None = Field(description="Null for an imported model.")
    imported: Imported | None
    training: CardTraining | None = Field(description="Null for an imported model.")
    evaluation: CardEvaluation | None
    worst_slices: list[Slice] = Field(description="Parts of the rows on which it is clearly worse.")
    limits: list[str] = Field(description="What to keep in mind when it is used.")
    use: CardUse
    environment: dict[str, Any] = Field(description="What it was trained on.")
