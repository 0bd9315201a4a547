"""Child process: decide everything about a training without training."""

from typing import Any

from app.datasets.tables import read_kept
from app.jobs.assignment import Assignment, StoredTable
from app.problems import Invalid
from app.storage import Storage
from engine.fitting import Fitting, Table
from engine.spec import InvalidSpec


def plan(assignment: str) -> dict[str, Any]:
    """The plan of an assignment, given as JSON; raises `Invalid` with a pointer into the job's request."""
    try:
        fitting = fitting_of(Assignment.model_validate_json(assignment))
    except InvalidSpec as error:
        raise Invalid.spec(error) from None
    return {
        "plan": fitting.plan.model_dump(mode="json"),
        "network": fitting.network_spec.model_dump(mode="json"),
    }


def fitting_of(assignment: Assignment) -> Fitting:
    """The training that an assignment describes, decided; raises `InvalidSpec` where it cannot work."""
    storage = Storage(assignment.data)
    validation = assignment.inputs.validation
    return Fitting(
        _open(assignment.inputs.table, storage),
        assignment.goal,
        assignment.network,
        assignment.training,
        None if validation is None else _open(validation, storage),
    )


def _open(table: StoredTable, storage: Storage) -> Table:
    """The table, mapped from its file."""
    return Table(read_kept(storage.dataset(table.dataset_id)), table.types)
