"""What the doctor knows of a training before it starts."""

from dataclasses import dataclass

from engine.arrays import Array
from engine.encoding import Scaling
from engine.network import NetworkSpec
from engine.tasks import Task
from engine.training import TrainingSpec

FEWEST_PROBE_ROWS, MOST_PROBE_ROWS = 64, 256


@dataclass(frozen=True)
class FeatureColumns:
    """A column of the table, as columns of the encoded rows."""

    name: str
    part: slice
    is_number: bool  # numeric: the one that scaling applies to
    is_category: bool  # one column of 0 and 1 for each category


@dataclass(frozen=True)
class Case:
    """A training as it was asked for, and a sample of its rows."""

    task: Task
    network: NetworkSpec  # resolved
    training: TrainingSpec
    scaling: Scaling
    features: tuple[FeatureColumns, ...]
    constant: tuple[str, ...]  # columns with one value in all training rows
    class_counts: dict[str, int]  # training rows of each class; empty where there are no classes
    is_weighted: bool  # whether some rows count more than others
    baseline: float  # loss of the best constant answer on the sample
    x: Array  # (rows, width), some of the training rows as they reach the network
    y: Array  # (rows, outputs), what the loss compares with

    @property
    def probe(self) -> Array:
        """The rows that are sent through the network: two batches, so that a look costs less than an epoch."""
        batch = self.training.batch_rows(len(self.x))
        rows = min(len(self.x), MOST_PROBE_ROWS, max(FEWEST_PROBE_ROWS, 2 * batch))
        return self.x[:: -(-len(self.x) // rows)]

    @property
    def comparable(self) -> bool:
        """Whether losses can be measured by the baseline: as shares of a positive number."""
        return self.baseline > 1e-6
