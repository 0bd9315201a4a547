"""Child process: decide everything about a training without training."""

from pathlib import Path
from typing import Any

from app.datasets.tables import read_kept
from app.jobs.assignment import Assignment, StoredTable
from app.problems import Invalid
from app.storage import Storage
from engine import kernels
from engine.encoding import UnreadableTable
from engine.encoding.columns import cast
from engine.encoding.description import NESTED
from engine.ensemble import Ensemble, load_model_file
from engine.folds.fitting import AnyFitting, fitting_for
from engine.large_table import LargeTable, TableFile
from engine.model import Model
from engine.model_file import UnreadableModel
from engine.partition import Table
from engine.room import Room
from engine.spec import InvalidSpec
from engine.training.validation import columns_that_part

LEFT_OPEN = ("quality", "scaling", "categories", "texts", "clip")
"""Fields of the goal that the recipe fills in where they are left out."""


def plan(assignment: str) -> dict[str, Any]:
    """The plan of an assignment, given as JSON, and what the recipe fills in of the request.

    Raises `Invalid` with a pointer into the job's request.
    """
    kernels.use("numpy")  # compiled ones take a second to load, and nothing is computed here
    try:
        fitting = fitting_of(Assignment.model_validate_json(assignment))
    except InvalidSpec as error:
        raise Invalid.spec(error) from None
    return {
        "plan": fitting.plan.model_dump(mode="json"),
        "network": fitting.network_spec.model_dump(mode="json"),
        "filled": {
            **fitting.goal.model_dump(mode="json", include=set(LEFT_OPEN)),
            "training": fitting.training.model_dump(mode="json"),
        },
    }


def fitting_of(assignment: Assignment, scratch: Path | None = None) -> AnyFitting:
    """The training that an assignment describes, decided; raises `InvalidSpec` where it cannot work.

    `scratch`: a folder for what does not fit into its memory; None where it is only to be planned.
    """
    storage = Storage(assignment.data)
    validation = assignment.inputs.validation
    room = None if assignment.memory is None else Room(assignment.memory, scratch)
    return fitting_for(
        _table(assignment, storage, room),
        assignment.goal,
        assignment.network,
        assignment.training,
        None if validation is None else _open(validation, storage),
        start=None if assignment.start is None else _model(assignment.start),
        room=room,
    )


def _table(assignment: Assignment, storage: Storage, room: Room | None) -> Table:
    """The table of a training: in memory, or left in its file where it is large and one network learns from it."""
    table, goal, training = assignment.inputs.table, assignment.goal, assignment.training
    path = storage.dataset(table.dataset_id)
    held = {*goal.targets, goal.sample_weight, *columns_that_part(training.validation)} - {None}
    if (
        room is None
        or room.holds(path.stat().st_size)
        or training.members > 1
        or goal.series is not None
        or assignment.inputs.validation is not None
        or not NESTED.isdisjoint(table.types.values())
        or not held <= table.types.keys()  # which is told of a table in memory
    ):
        return _open(table, storage)
    return LargeTable(TableFile(path), table.types, [name for name in table.types if name in held])


def _model(path: Path) -> Model:
    """The model to start from."""
    try:
        model = load_model_file(path)
    except FileNotFoundError:
        raise InvalidSpec("the model was deleted meanwhile", ("start_from",)) from None
    except UnreadableModel as error:
        raise InvalidSpec(str(error), ("start_from",)) from None
    if isinstance(model, Ensemble):
        networks = len(model.members)
        raise InvalidSpec(
            f"the model is {networks} networks, each with weights of its own: start from a single one",
            ("start_from",),
        )
    return model


def _open(table: StoredTable, storage: Storage) -> Table:
    """The table, read from its file as it was when the job was launched: its columns may have other types by now."""
    try:
        return Table(cast(read_kept(storage.dataset(table.dataset_id)), table.types), table.types)
    except UnreadableTable as error:
        raise InvalidSpec(f"{error.detail}: its type was changed meanwhile", ("dataset_id",)) from None
