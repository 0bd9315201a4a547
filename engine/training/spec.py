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

from engine.losses import AnyLoss, PerceptronLossSpec
from engine.optimizers import AdamSpec, AnyOptimizer, OptimizerSpec, PerceptronRuleSpec
from engine.pretraining import AnyPretraining
from engine.schedules import AnySchedule, ConstantScheduleSpec
from engine.spec import Spec
from engine.training.early_stopping import EarlyStoppingSpec
from engine.training.shuffling import ShuffleChoice, buffer_rows
from engine.training.weight_average import WeightAverageSpec


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


def _auto_or_object(value: object) -> str:
    """The same where there is one word: any other is taken for the object's `kind`."""
    return "word" if value == "auto" else "object"


LossChoice = Annotated[
    Annotated[Literal["auto"], Tag("word")] | Annotated[AnyLoss, Tag("object")],
    Discriminator(_auto_or_object),
]
RateFactor = Annotated[float, Field(ge=0, le=1e6)]
ClassWeight = Annotated[float, Field(gt=0, le=1e6)]
ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag("word")] | Annotated[dict[str, ClassWeight], Tag("object")],
    Discriminator(_word_or_object),
]


class TrainingSpec(Spec):
    """How a network is trained."""

    epochs: PositiveInt = Field(200, le=1_000_000, description="Passes over the training rows, at most.")
    batch_size: PositiveInt = Field(
        32,
        le=65_536,
        description="Rows a batch; the last batch of an epoch takes what is left. Left out, it is 1 under "
        "perceptron_rule; lbfgs takes all rows at once.",
    )
    shuffle: ShuffleChoice = Field(
        "auto",
        description="How the rows change their order: full needs memory for a second copy of them; block mixes "
        "rows that lie near each other with those of other places, a part of the data at a time; auto takes "
        "block above 512 MiB.",
    )
    optimizer: AnyOptimizer = Field(AdamSpec(), description="How a step changes the weights.")
    schedule: AnySchedule = Field(
        ConstantScheduleSpec(), description="How the optimizer's learning rate moves during training."
    )
    pretraining: AnyPretraining | None = Field(
        None,
        description="How the dense layers before sigmoids start from the inputs alone, one after the other, "
        "before training proper; null: as their initializers say.",
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
    accumulate: PositiveInt = Field(
        1, le=65_536, description="Batches a step: their gradients are averaged, by the weight of the rows."
    )
    rate_factors: dict[str, RateFactor] = Field(
        {},
        max_length=1000,
        description="Factors on the learning rate by parameter: its name (b) or its full name, with its layer "
        "(0.W), which wins; 0 leaves a parameter as it starts.",
    )
    weight_average: WeightAverageSpec | None = Field(
        None, description="Validate and keep a running average of the weights; null: the weights themselves."
    )
    max_norm: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="The most that the length of a unit's incoming weights may be; longer ones are scaled after "
        "each step.",
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Mix the rows of a batch in pairs, by shares from Beta(mixup, mixup); 0: not at all. For "
        "features that are numbers.",
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

    @field_validator("loss")
    @classmethod
    def _suits_the_rule(cls, loss: LossChoice, info: ValidationInfo) -> LossChoice:
        rule = isinstance(info.data.get("optimizer"), PerceptronRuleSpec)
        if rule and loss != "auto" and not isinstance(loss, PerceptronLossSpec):
            raise ValueError("perceptron_rule takes no loss but perceptron; leave it out")
        return loss

    @field_validator("accumulate", "mixup", "clip_norm", "clip_value")
    @classmethod
    def _off_for_all_rows(cls, value: float | None, info: ValidationInfo) -> float | None:
        optimizer, off = info.data.get("optimizer"), cls.model_fields[str(info.field_name)].default
        if isinstance(optimizer, OptimizerSpec) and optimizer.full_batch and value != off:
            raise ValueError(f"{optimizer.kind} searches along lines on all rows at once: leave it out")
        return value

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
    def _fill_in(self) -> Self:
        # Past the frozen model, before anyone sees it.
        if isinstance(self.validation, NoValidation):
            object.__setattr__(self, "early_stopping", None)
        if isinstance(self.optimizer, PerceptronRuleSpec):
            object.__setattr__(self, "loss", PerceptronLossSpec())
            if "batch_size" not in self.model_fields_set:
                object.__setattr__(self, "batch_size", 1)
        return self

    def batch_rows(self, rows: int) -> int:
        """Rows a batch when there are `rows` to train on."""
        return rows if self.optimizer.full_batch else min(self.batch_size, rows)

    def copied_rows(self, rows: int, row_bytes: int) -> int:
        """How many rows, of `row_bytes` each, training holds a shuffled copy of."""
        batch = self.batch_rows(rows)
        return 0 if self.optimizer.full_batch else buffer_rows(self.shuffle, rows, row_bytes, batch)

    @property
    def values_per_parameter(self) -> int:
        """Values that training keeps for each parameter beside the parameter and its gradient."""
        kept = (self.early_stopping is not None, self.weight_average is not None, self.accumulate > 1)
        return self.optimizer.slots + sum(kept)
