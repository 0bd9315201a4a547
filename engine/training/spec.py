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
from engine.training.apart import MOST_APART, MOST_CALIBRATION_ROWS, RowsApart
from engine.training.curve_shares import CurveShares
from engine.training.early_stopping import EarlyStoppingSpec
from engine.training.shuffling import ShuffleChoice, buffer_rows
from engine.training.validation import (
    MOST_NETWORKS,
    AnyValidation,
    FractionValidation,
    KFoldValidation,
    NoValidation,
)
from engine.training.weight_average import WeightAverageSpec


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
    drop_last: bool = Field(
        False,
        description="Whether an epoch leaves out its last batch where that has fewer rows than the others.",
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
    members: PositiveInt = Field(
        1,
        le=MOST_NETWORKS,
        description="Networks to train, one after the other, whose mean answer is the model's. Where validation is "
        "left out, each validates on one of as many folds; where it is given, they have seeds of their own, and under "
        "fraction rows of their own. Left out under k_fold: one a fold.",
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
    decay_factors: dict[str, RateFactor] = Field(
        {},
        max_length=1000,
        description="Factors on the optimizer's weight decay by parameter, named as in `rate_factors`. A parameter "
        "that is named decays even if it does not by itself; 0: not at all.",
    )
    decay_schedule: AnySchedule = Field(
        ConstantScheduleSpec(), description="How the optimizer's weight decay moves during training."
    )
    dropout_schedule: AnySchedule = Field(
        ConstantScheduleSpec(), description="How the rates of dropout layers move during training."
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
    test: RowsApart | None = Field(
        None,
        description="Rows that only the finished model is tried on, once: its report then has `test`. Null: none, "
        "and the report's figures are those of the validation rows, which chose the best epoch.",
    )
    calibration: RowsApart | None = Field(
        None,
        description="Rows from which the finished model learns how far off its answers are, so that each prediction "
        f"has a set of classes or an interval that holds the truth as often as it says; at most "
        f"{MOST_CALIBRATION_ROWS:,} of them are kept. Null: none.",
    )
    temperature: Literal["auto", "none"] = Field(
        "auto",
        description="Whether probabilities are made surer or less sure than the network's, by one factor fitted on "
        "the validation rows. auto: where that clearly lowers their log loss; none: never.",
    )
    baselines: Literal["none", "simple", "all"] = Field(
        "simple",
        description="Simpler models that the report compares the network with, on the same rows. simple: the mean or "
        "the classes' shares, and a linear model; all: gradient boosting too, where scikit-learn is installed.",
    )
    row_losses: bool = Field(
        False,
        description="Whether the loss of each training row is kept after up to 20 epochs, of at most 100,000 rows, "
        "with the mean of the answers over the training: they tell labels that are learned by heart. Takes a pass "
        "over these rows each time. For one network; several are asked about rows that they did not train on.",
    )
    learning_curve: CurveShares = Field(
        (),
        description="Shares of the training rows on which the network is trained anew after the model is done, so that "
        "the report says whether more rows would help; true: 1/8, 1/4, 1/2 and 1 (the model itself). A share for "
        "which the job's time limit leaves no time is skipped. Needs a validation.",
        examples=[True, [0.1, 0.3, 1.0]],
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

    @field_validator("learning_curve")
    @classmethod
    def _in_order(cls, shares: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if shares and isinstance(info.data.get("validation"), NoValidation):
            raise ValueError("a learning curve needs a validation; leave it out or validate on some rows")
        return tuple(sorted(set(shares)))

    @field_validator("members")
    @classmethod
    def _one_a_fold(cls, members: int, info: ValidationInfo) -> int:
        validation = info.data.get("validation")
        if isinstance(validation, KFoldValidation) and members != validation.networks:
            raise ValueError(
                f"k_fold trains one network a fold, here {validation.networks}: leave members out"
            )
        return members

    @field_validator("row_losses")
    @classmethod
    def _of_one_network(cls, row_losses: bool, info: ValidationInfo) -> bool:
        several = info.data.get("members", 1) > 1 or isinstance(info.data.get("validation"), KFoldValidation)
        if row_losses and several:
            raise ValueError(
                "several networks answer rows that they did not train on, which says more: leave it out"
            )
        return row_losses

    @model_validator(mode="after")
    def _leaves_rows(self) -> Self:
        shares = [0.0 if rows is None else rows.fraction for rows in (self.test, self.calibration)]
        if sum(shares) > MOST_APART:
            raise ValueError(
                f"test and calibration take more than {MOST_APART:.0%} of the rows: too few are left"
            )
        return self

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        # Past the frozen model, before anyone sees it.
        if isinstance(self.validation, KFoldValidation):
            self._settle("members", self.validation.networks)
        elif self.members > 1 and "validation" not in self.model_fields_set:
            self._settle("validation", KFoldValidation(kind="k_fold", folds=self.members))
        if isinstance(self.validation, NoValidation):
            object.__setattr__(self, "early_stopping", None)
        if isinstance(self.optimizer, PerceptronRuleSpec):
            object.__setattr__(
                self, "loss", PerceptronLossSpec(kind="perceptron")
            )  # given: a job keeps what is
            if "batch_size" not in self.model_fields_set:
                object.__setattr__(self, "batch_size", 1)
        return self

    def _settle(self, name: str, value: object) -> None:
        """Fill in a field that another one decides, as if it had been given."""
        object.__setattr__(self, name, value)
        self.model_fields_set.add(name)

    def batch_rows(self, rows: int) -> int:
        """Rows a batch when there are `rows` to train on."""
        return rows if self.optimizer.full_batch else min(self.batch_size, rows)

    def batches(self, rows: int) -> int:
        """Batches an epoch when there are `rows` to train on."""
        batch = self.batch_rows(rows)
        return rows // batch if self.drop_last else -(-rows // batch)

    def copied_rows(self, rows: int, row_bytes: int) -> int:
        """How many rows, of `row_bytes` each, training holds a shuffled copy of."""
        batch = self.batch_rows(rows)
        return 0 if self.optimizer.full_batch else buffer_rows(self.shuffle, rows, row_bytes, batch)

    @property
    def values_per_parameter(self) -> int:
        """Values that training keeps for each parameter beside the parameter and its gradient."""
        kept = (self.early_stopping is not None, self.weight_average is not None, self.accumulate > 1)
        return self.optimizer.slots + sum(kept)
