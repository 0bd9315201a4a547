"""What a child process is told about the work that it does; a child knows no database."""

from pathlib import Path

import polars as pl
from pydantic import BaseModel

from app.storage import Storage
from engine.encoding import ColumnType
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import TrainingSpec


class StoredTable(BaseModel):
    """A data set as its file in the data folder, and the types that its columns had when the job was planned."""

    dataset_id: str
    types: dict[str, ColumnType]

    def open(self, storage: Storage) -> Table:
        """The table, mapped from the file."""
        return Table(pl.read_ipc(storage.dataset(self.dataset_id)), self.types)


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

    def fitting(self) -> Fitting:
        """Everything decided; raises `InvalidSpec` where it cannot work."""
        storage = Storage(self.data)
        table, validation = self.inputs.table, self.inputs.validation
        return Fitting(
            table.open(storage),
            self.goal,
            self.network,
            self.training,
            None if validation is None else validation.open(storage),
        )


class Run(BaseModel):
    """A training and how it is to be carried out."""

    assignment: Assignment
    model_id: str
    scratch: Path  # a folder for unfinished files, which the worker holds
    metadata: dict[str, str]  # kept in the model's file
    blas_threads: int
    memory: int  # bytes
    seconds: float | None
