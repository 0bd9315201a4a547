"""How a network is trained: the recipe as a spec, the rows, and the loop that follows the recipe."""

from engine.training.apart import RowsApart
from engine.training.changes import Applied, Changes
from engine.training.early_stopping import EarlyStoppingSpec
from engine.training.examples import Batch, Examples
from engine.training.identity import check_identity, identity
from engine.training.progress import Diverged, Point, Progress
from engine.training.spec import TrainingSpec
from engine.training.stopwatch import Stopwatch
from engine.training.trainer import Trainer
from engine.training.validation import (
    AnyValidation,
    DatasetValidation,
    FractionValidation,
    KFoldValidation,
    NoValidation,
)
from engine.training.weight_average import WeightAverageSpec

__all__ = [
    "AnyValidation",
    "Applied",
    "Batch",
    "Changes",
    "DatasetValidation",
    "Diverged",
    "EarlyStoppingSpec",
    "Examples",
    "FractionValidation",
    "KFoldValidation",
    "NoValidation",
    "Point",
    "Progress",
    "RowsApart",
    "Stopwatch",
    "Trainer",
    "TrainingSpec",
    "WeightAverageSpec",
    "check_identity",
    "identity",
]
