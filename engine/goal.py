"""What is to be learned from a table, and the plan that follows. Without polars, so cheap to import."""

from typing import Literal

from pydantic import BaseModel, Field

from engine.encoding import DatasetWarning, Scaling
from engine.spec import Spec
from engine.summary import NetworkSummary
from engine.tasks import Task


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
    task: Literal["auto"] | Task = Field(
        "auto", description="auto: the target decides; the plan says what was chosen and why."
    )
    sample_weight: str | None = Field(
        None, description="Numeric column that says how much each row counts; it is not a feature."
    )
    scaling: Scaling = Field(
        "standard",
        description="How numeric features reach the network. standard: mean 0 and deviation 1 a column; "
        "robust: by median and quartiles, within +-3; unit: divided by the largest size among all of them, "
        "for pixels; none: as they are (sizes up to 1e6). unit and none keep constant columns, so that the "
        "columns of an image or of a series stay complete.",
    )

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


class Plan(BaseModel):
    """What a training will do, decided from the data before it starts."""

    task: Task
    task_reason: str
    target: list[str]
    classes: list[str] | None = Field(description="Labels, for classification.")
    features: list[str]
    left_out: list[LeftOut]
    rows: Rows
    input_shape: list[int] = Field(description="Shape of one encoded row.")
    outputs: int
    loss: str
    network: NetworkSummary
    memory_bytes: int = Field(
        description="Estimate: data, parameters, gradients, optimizer slots, buffers, and the model that is made at "
        "the end, while all of that is still there."
    )
    estimated_seconds: float = Field(description="Rough estimate for all epochs on one core.")
    notes: list[str] = Field(description="What was decided on the way.")
    warnings: list[DatasetWarning]
