"""What networks look like on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from app.names import Label
from engine.layers import AnyLayer
from engine.templates import AnyTemplate

EXAMPLES: dict[str, Any] = {
    "layers": {
        "summary": "Layer by layer",
        "description": "The last dense layer leaves out its units: the job's target decides.",
        "value": {
            "name": "penguin net",
            "layers": [
                {"kind": "dense", "units": 64},
                {"kind": "relu"},
                {"kind": "dropout", "rate": 0.1},
                {"kind": "dense"},
            ],
        },
    },
    "template": {
        "summary": "From a template",
        "value": {"name": "two hidden layers", "template": {"kind": "mlp", "hidden": [64, 64]}},
    },
}
"""Requests that work as they stand."""


class NetworkRequest(BaseModel):
    """A network to keep: its layers, or a template that makes them."""

    model_config = ConfigDict(extra="forbid")

    name: Label = Field(description="A label of your choice; it need not be unique.")
    layers: tuple[AnyLayer, ...] | None = Field(
        None, min_length=1, max_length=1000, description="The layers, first to last; see GET /v1/catalog."
    )
    template: AnyTemplate | None = Field(None, description="Makes the layers, in place of `layers`.")
    input_shape: tuple[PositiveInt, ...] | None = Field(
        None, min_length=1, max_length=8, description="Shape of one encoded row; left out, the data decides."
    )


class NetworkItem(BaseModel):
    """A network in a list."""

    id: str = Field(examples=["net_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"])
    name: str
    template: AnyTemplate | None = Field(description="The template that it was made from, if any.")
    created_at: datetime


class Network(NetworkItem):
    """A network with its layers."""

    layers: tuple[AnyLayer, ...]
    input_shape: tuple[PositiveInt, ...] | None = Field(description="Null: the data decides.")
