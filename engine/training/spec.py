"""The recipe of a training."""

from typing import Annotated, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engine.losses import AnyLoss
from engine.optimizers import AdamSpec, AnyOptimizer
from engine.schedules import AnySchedule, ConstantScheduleSpec
from engine.spec import Spec
from engine.training.early_stopping import EarlyStoppingSpec


class FractionValidation(Spec):
    """Validate on rows of the data set that are kept from training; classes keep their shares."""

    kind: Literal["fraction"] = "fraction"
    fraction: float = Field(0.2, gt=0, le=0.9, description="Share of the rows that are kept for validation.")


class DatasetValidation(Spec):
    """Validate on another data set with the same columns."""

    kind: Literal["dataset"] = "dataset"
    dataset_id: str = Field(description="The data set to validate on.")


class NoValidation(Spec):
    """Train on all rows and validate on none."""

    kind: Literal["none"] = "none"


AnyValidation = Annotated[FractionValidation | DatasetValidation | NoValidation, Field(discriminator="kind")]


def _word_or_object(value: object) -> str:
    """Which side of a union is meant, so that an error speaks of that side alone."""
    return "word" if isinstance(value, str) else "object"


LossChoice = Annotated[
    Annotated[Literal["auto"], Tag("word")] | Annotated[AnyLoss, Tag("object")],
    Discriminator(_word_or_object),
]
ClassWeight = Annotated[float, Field(gt=0, le=1e6)]
ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag("word")] | Annotated[dict[str, ClassWeight], Tag("object")],
    Discriminator(_word_or_object),
]


class TrainingSpec(Spec):
    """How a network is trained."""

    epochs: PositiveInt = Field(200, le=1_000_000, description="Passes over the training rows, at most.")
    batch_size: PositiveInt = Field(
        32, le=65_536, description="Rows a step; the last batch of an epoch takes what is left."
    )
    optimizer: AnyOptimizer = Field(AdamSpec(), description="How a step changes the weights.")
    schedule: AnySchedule = Field(
        ConstantScheduleSpec(), description="How the optimizer's learning rate moves during training."
    )
    loss: LossChoice = Field(
        "auto", description="What training minimises; auto takes the one that suits the task."
    )
    validation: AnyValidation = Field(
        FractionValidation(), description="The rows that the network is validated on after every epoch."
    )
    early_stopping: EarlyStoppingSpec | None = Field(
        EarlyStoppingSpec(),
        description="When to end before the last epoch; needs a validation. The weights of the epoch with "
        "the best validation loss are kept. Left out, it is null where validation is none.",
    )
    l1: float = Field(
        0.0, ge=0, le=1000, description="Factor of the penalty on the sum of |w|; biases are free."
    )
    l2: float = Field(
        0.0, ge=0, le=1000, description="Factor of the penalty on half the sum of w^2; biases are free."
    )
    clip_norm: PositiveFloat | None = Field(
        None,
        description="The most that the gradient's length over all weights may be; longer ones are scaled.",
    )
    clip_value: PositiveFloat | None = Field(
        None, description="The most that a single value of the gradient may be in size."
    )
    class_weights: ClassWeights | None = Field(
        None,
        description="Weight of a row by its class (label: weight, 1 if not named); balanced makes all "
        "classes weigh the same.",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Starts all random numbers: weights, split, dropout and batch order."
    )

    @field_validator("early_stopping")
    @classmethod
    def _needs_validation(
        cls, early_stopping: EarlyStoppingSpec | None, info: ValidationInfo
    ) -> EarlyStoppingSpec | None:
        # Runs only where early_stopping is given: the default is not validated.
        if early_stopping is not None and isinstance(info.data.get("validation"), NoValidation):
            raise ValueError("early stopping needs a validation; leave it out or validate on some rows")
        return early_stopping

    @model_validator(mode="after")
    def _without_validation(self) -> Self:
        if isinstance(self.validation, NoValidation):
            object.__setattr__(self, "early_stopping", None)  # past the frozen model, before anyone sees it
        return self
