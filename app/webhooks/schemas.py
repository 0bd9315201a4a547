"""What webhooks and what they are told look like on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.names import Label

Event = Literal[
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "batch_prediction.succeeded",
    "batch_prediction.failed",
    "batch_prediction.cancelled",
    "model.created",
    "model.deleted",
    "alias.moved",
    "alias.deleted",
    "alias.refused",
]
"""What may be told of."""

DeliveryStatus = Literal["pending", "delivered", "failed"]
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://[!-~]+$")]


class WebhookRequest(BaseModel):
    """Where to tell of which events."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"url": "https://hooks.example.com/trained", "events": ["job.succeeded", "job.failed"]}
            ]
        },
    )

    url: Url = Field(description="An address on one of the hosts that the service may send to.")
    events: list[Event] = Field(min_length=1, max_length=50, description="The events to be told of.")
    note: Label | None = Field(None, description="What it is for.")


class Webhook(BaseModel):
    """An address that is told of events."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["whk_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"])
    url: str
    events: list[Event]
    note: str
    created_at: datetime


class NewWebhook(Webhook):
    """A webhook with the secret that its messages are signed with, which is shown here alone."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])


class Delivery(BaseModel):
    """A message to a webhook."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="`webhook-id`, the same in every attempt: whoever gets it twice knows by it.")
    event: Event
    payload: dict[str, Any] = Field(description="The body: `type`, `timestamp` and `data`.")
    status: DeliveryStatus = Field(description="failed: given up.")
    attempts: int
    due_at: datetime | None = Field(description="When it is tried next.")
    answered: int | None = Field(description="HTTP status of the last answer; null without one.")
    error: str | None = Field(description="What was wrong with the last attempt.")
    created_at: datetime
    finished_at: datetime | None
