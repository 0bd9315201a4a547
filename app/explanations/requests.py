"""What may be asked about a model: each method of the engine with the records and rows that it is asked about."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, Field, create_model

from engine.encoding import Label
from engine.explaining import (
    EXPLANATION_SPECS,
    CounterfactualsSpec,
    DecisionSurfaceSpec,
    ExpectedGradientsSpec,
    GedeonSpec,
    GradCamSpec,
    IntegratedGradientsSpec,
    LayerValuesSpec,
    NearestRowsSpec,
    OcclusionSpec,
    ShapleySpec,
)
from engine.explaining.base import ExplanationSpec

MAX_RECORDS = 100
BACKGROUND = 100
"""Rows that are drawn from a data set to compare with."""
MAX_BACKGROUND = 1000
MAX_ROWS = 100_000

Record = dict[str, Any]


class OfRecords(BaseModel):
    """A question about single records."""

    records: list[Record] = Field(
        min_length=1, max_length=MAX_RECORDS, description="Raw values by column name, as for a prediction."
    )


class OfOutput(BaseModel):
    """A question about one of a model's scores."""

    output: Label | None = Field(
        None,
        description="The class, label or target that is explained; left out, the predicted class of each record, "
        "or the first label or target.",
    )


class FromReference(BaseModel):
    """A question whose answer is relative to something."""

    reference: Literal["median", "zeros", "data"] | list[Record] | None = Field(
        None,
        description="What a record is compared with: median (numbers at the training rows' medians, no category), "
        "zeros (all encoded inputs 0), data (at most 100 rows drawn from the data set), or records. Left out: data for "
        "expected gradients and Shapley values where it is still there, else median.",
    )


class OfDataset(BaseModel):
    """A question that may take rows of a data set."""

    dataset_id: str | None = Field(
        None, description="The data set whose rows are taken; left out, the one that the model learned from."
    )


class OverRows(OfDataset):
    """A question over rows of a data set."""

    rows: int = Field(1000, ge=1, le=MAX_ROWS, description="Rows at most; of more some are drawn.")


class ImportanceQuery(OverRows):
    """How the importance of features is found."""

    method: Literal["permutation_importance", "gedeon"] = Field(
        "permutation_importance", description="By the loss, or by the weights, which takes no rows."
    )
    repeats: int = Field(5, ge=1, le=100, description="Shuffles of each feature.")
    seed: int = Field(0, ge=0, lt=2**32, description="Draws the shuffles.")

    def question(self) -> dict[str, Any]:
        """As a body of POST explain."""
        return {"method": self.method} if self.method == "gedeon" else self.model_dump()


class EffectsQuery(OverRows):
    """How the effect of a feature is found."""

    feature: str = Field(max_length=1000, description="The feature's name.")
    method: Literal["partial_dependence", "accumulated_local_effects"] = Field(
        "partial_dependence", description="Over all rows, or within intervals, which numbers and dates have."
    )
    points: int = Field(20, ge=2, le=200, description="Values, one more than intervals.")

    def question(self) -> dict[str, Any]:
        """As a body of POST explain."""
        asked = self.model_dump(exclude={"points"})
        if self.method == "partial_dependence":
            return asked | {"points": self.points}
        return asked | {"intervals": self.points - 1}


class SurfaceQuery(OverRows):
    """Which decision surface."""

    x: str = Field(max_length=1000, description="The feature along the horizontal axis.")
    y: str = Field(max_length=1000, description="The feature along the vertical axis.")
    points: int = Field(50, ge=2, le=200, description="Values along each axis.")

    def question(self) -> dict[str, Any]:
        """As a body of POST explain."""
        return self.model_dump() | {"method": "decision_surface"}


class SuspectsQuery(OverRows):
    """Which suspect rows."""

    count: int = Field(20, ge=1, le=1000, description="Rows, the most suspect first.")
    rows: int = Field(10_000, ge=1, le=MAX_ROWS, description="Rows at most; of more some are drawn.")

    def question(self) -> dict[str, Any]:
        """As a body of POST explain."""
        return self.model_dump() | {"method": "suspect_labels"}


_ALONE: tuple[type[BaseModel], ...] = (OverRows,)
_PARTS: dict[type[ExplanationSpec], tuple[type[BaseModel], ...]] = {
    IntegratedGradientsSpec: (OfRecords, OfOutput, FromReference, OfDataset),
    ExpectedGradientsSpec: (OfRecords, OfOutput, FromReference, OfDataset),
    ShapleySpec: (OfRecords, OfOutput, FromReference, OfDataset),
    OcclusionSpec: (OfRecords, OfOutput, FromReference, OfDataset),
    GradCamSpec: (OfRecords, OfOutput),
    LayerValuesSpec: (OfRecords, OfOutput),
    NearestRowsSpec: (OfRecords, OverRows),
    CounterfactualsSpec: (OfRecords, OverRows),
    DecisionSurfaceSpec: (FromReference, OverRows),
    GedeonSpec: (),
}


def _request(spec: type[ExplanationSpec]) -> type[BaseModel]:
    name = spec.__name__.removesuffix("Spec") + "Request"
    return create_model(name, __base__=(*_PARTS.get(spec, _ALONE), spec), __doc__=spec.__doc__)


REQUESTS: dict[str, type[BaseModel]] = {
    spec.model_fields["method"].default: _request(spec) for spec in EXPLANATION_SPECS
}
"""The body of each method."""

if TYPE_CHECKING:
    AnyRequest = ExplanationSpec
else:
    AnyRequest = Annotated[  # built from the methods
        Union[tuple(REQUESTS.values())],  # noqa: UP007
        Field(discriminator="method"),
    ]
"""Any question, told apart by `method`."""
