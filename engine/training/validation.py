"""Which rows a network is validated on."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from engine.spec import Spec

MOST_NETWORKS = 100
"""That one job may train."""


class _Validation(Spec):
    """What all have."""

    @property
    def group_column(self) -> str | None:
        """The column whose equal values stay together, if any."""
        return None


class _OfTheDataset(_Validation):
    """Rows of the data set itself, drawn or taken by a column."""

    group: str | None = Field(
        None,
        description="Column whose equal values stay together: no group has rows on both sides. It is no feature "
        "unless `features` names it.",
    )
    time: str | None = Field(
        None, description="Column of times or numbers: training rows all come before those that validate."
    )

    @property
    def group_column(self) -> str | None:
        """The column whose equal values stay together, if any."""
        return self.group

    @model_validator(mode="after")
    def _one_of_both(self) -> "_OfTheDataset":
        if self.group is not None and self.time is not None:
            raise ValueError("give group or time, not both")
        return self


class FractionValidation(_OfTheDataset):
    """Validate on rows of the data set that are kept from training; classes keep their shares.

    With `group`, whole groups are kept; with `time`, the last rows.
    """

    kind: Literal["fraction"] = "fraction"
    fraction: float = Field(0.2, gt=0, le=0.9, description="Share of the rows that are kept for validation.")


class KFoldValidation(_OfTheDataset):
    """Cross-validation: the rows in folds, and for each fold a network that trains on the others and validates on it.

    The model is all these networks together, which answer with the mean of their answers. With `time`, a network
    trains on the rows before its fold alone, and the first rows validate none.
    """

    kind: Literal["k_fold"] = "k_fold"
    folds: int = Field(5, ge=2, le=MOST_NETWORKS, description="Parts of the rows.")
    repeats: PositiveInt = Field(1, le=MOST_NETWORKS, description="How often the rows are parted anew.")
    stratified: bool = Field(
        True, description="Classes have the same share in every fold; without effect with group or time."
    )

    @property
    def networks(self) -> int:
        """How many are trained."""
        return self.folds * self.repeats

    @model_validator(mode="after")
    def _makes_sense(self) -> "KFoldValidation":
        if self.networks > MOST_NETWORKS:
            raise ValueError(
                f"{self.folds} folds {self.repeats} times are {self.networks} networks; "
                f"at most {MOST_NETWORKS} are allowed"
            )
        if self.time is not None and self.repeats > 1:
            raise ValueError("rows in the order of time can be parted in one way only: leave repeats out")
        return self


class DatasetValidation(_Validation):
    """Validate on another data set with the same columns."""

    kind: Literal["dataset"] = "dataset"
    dataset_id: str = Field(description="The data set to validate on.")


class NoValidation(_Validation):
    """Train on all rows and validate on none."""

    kind: Literal["none"] = "none"


AnyValidation = Annotated[
    FractionValidation | KFoldValidation | DatasetValidation | NoValidation, Field(discriminator="kind")
]
"""Any way to validate, told apart by `kind`."""


def columns_that_part(validation: AnyValidation) -> set[str]:
    """The columns that say which rows train and which validate."""
    if isinstance(validation, FractionValidation | KFoldValidation):
        return {name for name in (validation.group, validation.time) if name is not None}
    return set()
