"""What is to be learned from a table, and the plan that follows. Without polars, so cheap to import."""

from typing import Literal

from pydantic import BaseModel, Field, field_validator

from engine.encoding import Categories, DatasetWarning, Label, Scaling, Texts
from engine.forecasting.spec import SeriesSpec
from engine.spec import Spec
from engine.summary import NetworkSummary
from engine.tasks import Task
from engine.training import TrainingSpec

Quality = Literal["fast", "recommended", "high"]
"""How much a recommended recipe does for a good model."""


class GoalSpec(Spec):
    """What to learn."""

    target: str | tuple[str, ...] | None = Field(
        None,
        description="Column to predict, or several of them; null trains an autoencoder of the features.",
        examples=["species"],
    )
    features: tuple[str, ...] | None = Field(
        None, min_length=1, description="Columns to predict from; left out, all others."
    )
    series: SeriesSpec | None = Field(
        None,
        description="Where the rows follow each other in time: forecast the target, a number, from the rows before. "
        "Its own past and that of all other columns of numbers, or of `features`, is what is learned from. Rows "
        "validate that are later than all that is trained on. Null: each row is by itself.",
        examples=[{"time": "day", "window": 28, "horizon": 7}],
    )
    task: Literal["auto"] | Task = Field(
        "auto", description="auto: the target decides; the plan says what was chosen and why."
    )
    target_order: tuple[Label, ...] | None = Field(
        None,
        min_length=2,
        description="The classes of an ordinal target from the lowest to the highest; numbers have their own order.",
        examples=[["low", "medium", "high"]],
    )
    anomaly_quantile: float = Field(
        0.99,
        gt=0,
        lt=1,
        description="Of an autoencoder: a row is an anomaly if its error is above this share of the errors of the "
        "validation rows.",
    )
    sample_weight: str | None = Field(
        None,
        description="Numeric column that says how much each row counts in training and in its history; it is not a "
        "feature. Reports count all rows alike.",
    )
    quality: Quality | None = Field(
        None,
        description="Which recipe is used where no network is given. fast: a model in seconds; recommended: the best "
        "single network known for tables; high: an ensemble within one network, many times slower. Where images, or "
        "arrays that look like them, are all that is learned from: a residual network that is small, larger, or deeper "
        "and trained longer; of steps over time: a recurrent one, trained for longer each time. Left out: "
        "recommended. With a network it makes no sense.",
    )
    scaling: Scaling | None = Field(
        None,
        description="How numeric features reach the network. standard: mean 0 and deviation 1 a column; "
        "robust: by median and quartiles, within +-3; quantile: by ranks, as a normal distribution; unit: divided by "
        "the largest size among all of them, for pixels; none: as they are (sizes up to 1e6). unit and none keep "
        "constant columns, so that the columns of an image or of a series stay complete. Left out: the recipe's, and "
        "standard with a network of your own.",
    )
    categories: Categories | None = Field(
        None,
        description="How categories reach the network. one_hot: a column of 0 and 1 for each; by_size: one column of "
        "signs for two, a column each for up to 8, for more a column of codes from 1 (0: missing or unknown), which "
        "an embedding layer takes. Left out: the recipe's, and one_hot with a network of your own.",
    )
    texts: Texts | None = Field(
        None,
        description="How texts reach the network. n_grams: as columns of whole numbers, hashes of its words and of "
        "pairs of them, which an embedding_bag layer takes; leave_out: not at all. Left out: the recipe's, and "
        "leave_out with a network of your own.",
    )
    clip: bool | None = Field(
        None,
        description="Whether predicted numbers stay between the smallest and the largest of the training rows. Left "
        "out: as the recipe says, and no with a network of your own.",
    )

    @property
    def scales(self) -> Scaling:
        """`scaling`, also where nobody has decided."""
        return self.scaling or "standard"

    @field_validator("target")
    @classmethod
    def _of_a_column(cls, target: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if target == ():
            raise ValueError("the list is empty: name a column, or leave target out to train an autoencoder")
        return target

    @property
    def targets(self) -> tuple[str, ...]:
        """The target columns."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target


class LeftOut(BaseModel):
    """A column that is not learned from."""

    column: str
    reason: str


class Rows(BaseModel):
    """Where the rows go."""

    total: int
    dropped: int = Field(description="Rows without a target.")
    training: int
    validation: int
    calibration: int = Field(0, description="Rows that sets and intervals are learned from.")
    test: int = Field(0, description="Rows that the finished model alone is tried on.")


class FoldRows(BaseModel):
    """The rows of one of several networks."""

    fold: int = Field(description="Counts from 1.")
    training: int
    validation: int


class Plan(BaseModel):
    """What a training will do, decided from the data before it starts."""

    task: Task
    task_reason: str
    target: list[str]
    classes: list[str] | None = Field(description="Labels, for classification.")
    class_counts: dict[str, int] | None = Field(
        None,
        description="Training rows of each class, for classification; of several labels, those in which each holds.",
    )
    features: list[str]
    left_out: list[LeftOut]
    rows: Rows
    folds: list[FoldRows] | None = Field(
        None,
        description="The networks that are trained one after the other, if there are several; `rows` then are of the "
        "one that trains on the most.",
    )
    input_shape: list[int] = Field(description="Shape of one encoded row.")
    outputs: int
    loss: str
    quality: Quality | None = Field(None, description="Of the recipe; null where it is none of these.")
    scaling: Scaling | None = Field(None, description="How numeric features reach the network.")
    categories: Categories | None = Field(None, description="How categories reach the network.")
    texts: Texts | None = Field(None, description="How texts reach the network.")
    clip: bool | None = Field(None, description="Whether predicted numbers stay in the training rows' range.")
    training: TrainingSpec | None = Field(
        None, description="How the network is trained, with everything filled in."
    )
    network: NetworkSummary
    memory_bytes: int = Field(
        description="Estimate: data, parameters, gradients, optimizer slots, buffers, and the model that is made at "
        "the end, while all of that is still there."
    )
    estimated_seconds: float = Field(description="Rough estimate for all epochs on one core.")
    notes: list[str] = Field(description="What was decided on the way.")
    warnings: list[DatasetWarning]
