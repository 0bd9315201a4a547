"""A line of the log of changes on the wire."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class AuditEntry(BaseModel):
    """One change, or one refused attempt to get in."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    at: datetime
    key_id: str | None = Field(description="Key that was used; null without keys and for unknown ones.")
    owner: str | None = Field(description="Owner of the key; empty without keys.")
    client: str | None = Field(description="Address that the request came from; null on the command line.")
    method: str = Field(description="HTTP method, or `CLI`.", examples=["DELETE"])
    route: str = Field(description="Route, or command.", examples=["/v1/jobs/{job_id}"])
    ids: list[str] = Field(description="What the request named, and what it added, changed or deleted.")
    status: int = Field(description="HTTP status of the answer; 0 on the command line.")
    request_id: str | None = Field(description="The request's `X-Request-Id`, as in the log.")
