"""Small networks with their trainers, and rows for them."""

import numpy as np

from engine.layers.activations.base import TanhSpec
from engine.layers.base import LayerSpec
from engine.layers.dense import DenseSpec
from engine.metrics import metric_for
from engine.network import Network, NetworkSpec
from engine.randomness import Randomness
from engine.tasks import DEFAULT_LOSS, LINK, Task
from engine.training import Examples, NoValidation, Point, Trainer, TrainingSpec

HIDDEN = (DenseSpec(units=16), TanhSpec(), DenseSpec())


def spec(**fields) -> TrainingSpec:
    """A recipe; without validation unless `early_stopping` is given."""
    if "early_stopping" not in fields:
        fields["validation"] = NoValidation()
    return TrainingSpec(**fields)


class Run:
    """A network with its trainer, for some examples."""

    def __init__(
        self, recipe: TrainingSpec, examples: Examples, *layers: LayerSpec, task: Task = "regression"
    ):
        randomness = Randomness(recipe.seed)
        dtype, outputs = examples.x.dtype, examples.y.shape[1:]
        batch = max(recipe.batch_size, recipe.batch_rows(len(examples)))
        self.network = Network(
            NetworkSpec(layers=layers).resolve(outputs[0]),
            examples.x.shape[1:],
            batch=batch,
            rng=randomness.dropout,
            dtype=dtype,
        )
        self.network.init(randomness.init)
        self.loss = DEFAULT_LOSS[task].build(outputs, batch=batch, dtype=dtype)
        self.metric = metric_for(task, LINK[task], outputs, batch=batch, dtype=dtype)
        self.trainer = Trainer(recipe, self.network, self.loss, self.metric, randomness)

    def points(self, training: Examples, validation: Examples | None = None) -> list[Point]:
        return [progress.point for progress in self.trainer.run(training, validation) if progress.point]


def regression(rows: int, *, dtype=np.float64, weight: bool = False, seed: int = 0) -> Examples:
    """y = 2 x_0 - 3 x_1 + 0.5, without noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    y = x @ np.array([[2.0], [-3.0]]) + 0.5
    weights = rng.uniform(0.5, 2, rows).astype(dtype) if weight else None
    return Examples(x.astype(dtype), y.astype(dtype), weights)


def noise(rows: int, *, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    return Examples(rng.normal(size=(rows, 4)), rng.normal(size=(rows, 1)))
