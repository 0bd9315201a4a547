"""What aliases and their history look like on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.directions import HIGHER_IS_BETTER

AliasAction = Literal["moved", "deleted", "refused"]


class Alias(BaseModel):
    """A name for one version of a model, as in `name@champion`."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="The model's name.", examples=["species-penguins"])
    alias: str = Field(examples=["champion"])
    version: int = Field(description="The version that it stands for.")
    moved_at: datetime


def _known(metric: str) -> str:
    if metric not in HIGHER_IS_BETTER:
        raise ValueError(f"must be one of {', '.join(HIGHER_IS_BETTER)}")
    return metric


class Gate(BaseModel):
    """A condition that is tried now: the version must be better than another model."""

    model_config = ConfigDict(extra="forbid")

    metric: Annotated[str, AfterValidator(_known)] = Field(
        description="A figure of the report that the models have on these rows.", examples=["log_loss"]
    )
    better_by: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="At least by so much: higher or lower, as is better of the figure. 0: as good is good enough.",
    )
    than: str = Field(
        min_length=1,
        max_length=200,
        description="The other model: `@alias` of the same name, or as elsewhere.",
        examples=["@champion"],
    )
    dataset_id: str = Field(description="A data set with the target, whose rows both are tried on.")


class GateOutcome(Gate):
    """What a gate came to."""

    dataset_sha256: str = Field(description="Of the data set's uploaded bytes, decompressed.")
    higher_is_better: bool
    model_id: str
    value: float = Field(description="The version's figure.")
    rows: int = Field(description="Rows behind it.")
    than_model_id: str
    than_value: float
    than_rows: int
    difference: float = Field(description="By how much the version is better; negative where it is worse.")
    passed: bool


class Aliases(BaseModel):
    """All aliases of a name."""

    items: list[Alias] = Field(description="By the alphabet.")


class AliasMove(BaseModel):
    """A line of an alias' history."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    action: AliasAction = Field(
        description="moved: set for the first time, or to another version; refused: by its gate."
    )
    version: int | None = Field(description="The version it was to stand for; null where it was deleted.")
    previous_version: int | None = Field(description="The version before; null where there was no alias.")
    key_id: str | None = Field(description="Key of whoever did it; null without keys.")
    at: datetime
    gate: GateOutcome | None = Field(description="What `only_if` came to; null where it was not asked for.")
