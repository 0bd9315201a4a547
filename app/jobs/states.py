"""The life of a job: which status may follow which."""

from typing import Literal

Status = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]

FINISHED: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})
