"""What a child process is told about the work that it does. Without polars, so that API and worker start fast."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.encoding import ColumnType
from engine.goal import GoalSpec
from engine.kernels import Choice
from engine.network import NetworkSpec
from engine.training import Changes, TrainingSpec


class StoredTable(BaseModel):
    """A data set as its file in the data folder, and the types that its columns had when the job was planned."""

    dataset_id: str
    types: dict[str, ColumnType]


class Inputs(BaseModel):
    """The tables of a job."""

    table: StoredTable
    validation: StoredTable | None


class Assignment(BaseModel):
    """A training: the tables, the wish, the network and the recipe."""

    data: Path  # the data folder
    inputs: Inputs
    goal: GoalSpec
    network: NetworkSpec | None
    training: TrainingSpec
    start: Path | None = None  # file of the model whose weights it starts from
    memory: int | None = None  # bytes that it may take; None: all tables are read into memory


def goal_of(request: Mapping[str, Any]) -> GoalSpec:
    """The goal of a stored request. The recipe was followed when it was planned: its network is given since."""
    known = GoalSpec.model_fields.keys() & request.keys() - {"quality"}
    return GoalSpec(**{name: request[name] for name in known})


class SavedState(BaseModel):
    """A checkpoint that a training may go on from."""

    path: Path
    attempt: int  # 0: what the job starts from
    step: int


class Change(Changes):
    """A change of a training on its way."""

    step: int | None = None  # before which it has taken effect; None: not yet


class Run(BaseModel):
    """A training and how it is to be carried out."""

    assignment: Assignment
    job_id: str
    attempt: int
    model_id: str
    scratch: Path  # a folder for unfinished files, which the worker holds
    metadata: dict[str, str]  # kept in the files of the model and of checkpoints
    saved: list[SavedState]  # the best first
    changes: list[Change]
    request: dict[str, Any]  # JobRequest, with defaults filled in: what remedies are patches of
    findings: list[dict[str, Any]]  # those that were told already
    recorded_step: int  # the step of the newest epoch in the history
    checkpoint_seconds: float
    blas_threads: int
    kernels: Choice
    memory: int  # bytes
    seconds: float | None
