"""What a child process is told about the work that it does. Without polars, so that API and worker start fast."""

from pathlib import Path

from pydantic import BaseModel

from engine.encoding import ColumnType
from engine.goal import GoalSpec
from engine.kernels import Choice
from engine.network import NetworkSpec
from engine.training import TrainingSpec


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


class Run(BaseModel):
    """A training and how it is to be carried out."""

    assignment: Assignment
    model_id: str
    scratch: Path  # a folder for unfinished files, which the worker holds
    metadata: dict[str, str]  # kept in the model's file
    blas_threads: int
    kernels: Choice
    memory: int  # bytes
    seconds: float | None
