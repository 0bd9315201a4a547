"""The HTTP of comparisons. Included before the routes of single models and jobs, which `compare` is none of."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.bodies import StrictRoute
from app.dependencies import ReadSessionDep
from app.errors import problems
from app.problems import Invalid
from app.registry import comparison
from app.registry.comparison_schemas import Comparison

router = APIRouter(prefix="/v1", route_class=StrictRoute)

_NAME = {"max_length": 200, "pattern": r"^[^\x00]*$"}
First = Annotated[str, Query(description="What the others are compared with.", **_NAME)]
Second = Annotated[str, Query(description="What is compared.", **_NAME)]
More = Annotated[str | None, Query(description="One more.", **_NAME)]
MaxPoints = Annotated[int, Query(ge=1, le=1000, description="Points of each loss history at the most.")]


@router.get("/models/compare", tags=["models"], summary="Compare models", responses=problems(Invalid))
def compare_models(
    session: ReadSessionDep,
    a: First,
    b: Second,
    c: More = None,
    d: More = None,
    e: More = None,
    max_points: MaxPoints = 200,
) -> Comparison:
    """Two to five models side by side: parameters that differ, figures, slices, loss histories.

    Each is named as elsewhere: by id, name, `name:3` or `name@alias`. Compare figures of different data with care,
    as `warnings` says; `POST /v1/models/{ref}/evaluate` holds each against the same rows.
    """
    return comparison.of_models(session, [ref for ref in (a, b, c, d, e) if ref is not None], max_points)


@router.get("/jobs/compare", tags=["jobs"], summary="Compare jobs", responses=problems(Invalid))
def compare_jobs(
    session: ReadSessionDep,
    a: First,
    b: Second,
    c: More = None,
    d: More = None,
    e: More = None,
    max_points: MaxPoints = 200,
) -> Comparison:
    """Two to five jobs side by side, finished or not: what was asked that differs, figures, loss histories."""
    return comparison.of_jobs(
        session, [job_id for job_id in (a, b, c, d, e) if job_id is not None], max_points
    )
