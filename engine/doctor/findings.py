"""What the doctor tells: findings, each with its evidence and a remedy, and the rules behind them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Severity = Literal["info", "warning", "error"]

GRADES: dict[Severity, int] = {"info": 0, "warning": 1, "error": 2}
"""How bad each severity is; a finding is told again only when it has become worse."""


class Operation(BaseModel):
    """One operation of a JSON Patch (RFC 6902)."""

    model_config = ConfigDict(frozen=True)

    op: Literal["add", "replace"]
    path: str = Field(description="JSON pointer into the job's request.")
    value: JsonValue


class Remedy(BaseModel):
    """What to try."""

    model_config = ConfigDict(frozen=True)

    detail: str
    patch: tuple[Operation, ...] = Field(
        (),
        description="The change as a JSON Patch of the job's `request`; empty where no change of it helps.",
    )


class Finding(BaseModel):
    """Something about a training that whoever runs it should know."""

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    title: str
    evidence: dict[str, JsonValue] = Field(description="The numbers that it rests on.")
    epoch: int | None = Field(None, description="After which epoch it was found; null: before the first.")
    step: int | None = Field(None, description="Steps done by then.")
    layer: int | None = Field(None, description="The layer that it is about, counted from 0.")
    place: str | None = Field(None, description="JSON pointer to that layer, also within others.")
    explanation: str
    source: str
    remedy: Remedy | None = None

    @property
    def subject(self) -> str:
        """What makes it the same finding: its code and its layer."""
        return f"{self.code} {self.place or ''}".strip()


class Rule(BaseModel):
    """A kind of finding: what it means and when it is told."""

    model_config = ConfigDict(frozen=True)

    code: str
    explanation: str
    rule: str = Field(description="When it is told, with the thresholds.")
    source: str = Field(description="Author, year, title.")

    def found(
        self,
        severity: Severity,
        title: str,
        evidence: dict[str, JsonValue],
        remedy: Remedy | None = None,
        place: str | None = None,
    ) -> Finding:
        """A finding by this rule; `place`: pointer to the layer that it is about."""
        return Finding(
            code=self.code,
            severity=severity,
            title=title,
            evidence=evidence,
            layer=None if place is None else int(place.split("/")[3]),
            place=place,
            explanation=self.explanation,
            source=self.source,
            remedy=remedy,
        )
