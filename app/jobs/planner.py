"""Child process: decide everything about a training without training."""

from typing import Any

from app.jobs.assignment import Assignment
from app.problems import Invalid
from engine.spec import InvalidSpec


def plan(assignment: str) -> dict[str, Any]:
    """The plan of an assignment, given as JSON; raises `Invalid` with a pointer into the job's request."""
    try:
        fitting = Assignment.model_validate_json(assignment).fitting()
    except InvalidSpec as error:
        raise Invalid.spec(error) from None
    return {
        "plan": fitting.plan.model_dump(mode="json"),
        "network": fitting.network_spec.model_dump(mode="json"),
    }
