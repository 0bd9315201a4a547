"""How a network is trained: the recipe as a spec, the rows, and the loop that follows the recipe."""

from engine.training.early_stopping import EarlyStoppingSpec
from engine.training.examples import Batch, Examples
from engine.training.progress import Diverged, Point, Progress
from engine.training.spec import (
    AnyValidation,
    DatasetValidation,
    FractionValidation,
    NoValidation,
    TrainingSpec,
)
from engine.training.trainer import Trainer
from engine.training.weight_average import WeightAverageSpec

__all__ = [
    "AnyValidation",
    "Batch",
    "DatasetValidation",
    "Diverged",
    "EarlyStoppingSpec",
    "Examples",
    "FractionValidation",
    "NoValidation",
    "Point",
    "Progress",
    "Trainer",
    "TrainingSpec",
    "WeightAverageSpec",
]
