"""The life of a job: which status may follow which. Every change of a job's status goes through this table."""

from typing import Literal

Kind = Literal["training", "batch_prediction"]
"""What a job is about: all kinds wait in one queue."""

Status = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]

FINISHED: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})

NEXT: dict[Status, frozenset[Status]] = {
    "queued": frozenset({"running", "paused", "cancelled"}),
    "running": frozenset({"queued", "paused", "succeeded", "failed", "cancelled"}),
    "paused": frozenset({"queued", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset({"queued"}),  # retry
    "cancelled": frozenset({"queued"}),  # retry
}

MAX_CRASHES = 3  # of one job, which then fails


class IllegalChange(Exception):
    """A status that may not follow on the present one: an error of ours, never of who asks."""


def checked(present: Status | None, following: Status) -> Status:
    """`following`, if it may follow on `present` (None: a new job); raises `IllegalChange` otherwise."""
    if present is not None and following not in NEXT[present]:
        raise IllegalChange(f"a job that is {present} cannot become {following}")
    return following
