"""What the Open Inference Protocol looks like on the wire."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from app.protocols.tensors import Answer, Datatype, InputTensor

VERSIONS_AT_MOST = 100


class Output(BaseModel):
    """A tensor that is asked for."""

    model_config = ConfigDict(extra="allow")

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    """What a model is asked."""

    model_config = ConfigDict(extra="allow")
    EXAMPLE: ClassVar[dict[str, Any]] = {
        "inputs": [
            {"name": "island", "shape": [1], "datatype": "BYTES", "data": ["Torgersen"]},
            {"name": "bill_length_mm", "shape": [1], "datatype": "FP64", "data": [39.1]},
        ]
    }

    id: str | None = Field(None, max_length=1000, description="Comes back in the answer.")
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor] = Field(
        min_length=1,
        max_length=10_000,
        description="One a feature, of the shape [rows]; a feature that is left out is missing. Or a single one of "
        "numbers, [rows, features].",
    )
    outputs: list[Output] | None = Field(
        None, max_length=100, description="The tensors that are wanted; left out, all of them."
    )


class InferAnswer(BaseModel):
    """What a model answers."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Answer]


class TensorMetadata(BaseModel):
    """A tensor that a model takes or gives."""

    name: str
    datatype: Datatype
    shape: list[int] = Field(description="-1: the number of rows.")
    parameters: dict[str, Any] | None = Field(None, description="`classes`: the names of the last axis.")


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str] = Field(description=f"The newest {VERSIONS_AT_MOST}.")
    platform: str = "backpropd"
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
