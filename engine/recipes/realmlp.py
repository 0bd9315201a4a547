"""RealMLP-TD: the recommended recipe for tables, and a small network of its kind for a model in seconds.

Holzmueller, Grinsztajn and Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees on tabular
data (arXiv 2407.04491), table A.1. Beyond its own scope stand ordinal targets, several labels and counts, which are
trained like classes and like numbers.
"""

from collections.abc import Sequence
from typing import Any

from engine.encoding.blocks import Block
from engine.goal import Quality
from engine.layers.tabular.numerical_embedding import PbldSpec
from engine.losses import AnyLoss, CrossEntropySpec, LogLossSpec, MseSpec
from engine.network import NetworkSpec
from engine.optimizers import AdamWSpec
from engine.recipes.layout import first_layers
from engine.recipes.recipe import Recipe
from engine.schedules import CosLog4ScheduleSpec, FlatCosScheduleSpec
from engine.tasks import Task
from engine.templates.tabular import RealmlpSpec
from engine.training import EarlyStoppingSpec

NUMBERS = frozenset[Task]({"regression", "count"})
LOSSES: dict[Task, AnyLoss] = {
    "binary": LogLossSpec(label_smoothing=0.1),
    "multiclass": CrossEntropySpec(label_smoothing=0.1),
    "multilabel": LogLossSpec(label_smoothing=0.1),
    "regression": MseSpec(),
}
RATE_FACTORS = {"b": 0.1, "s": 6.0, "alpha": 0.1, "w1": 0.1, "b1": 0.1, "W2": 0.1, "b2": 0.1}
DECAY_FACTORS = {name: RATE_FACTORS[name] for name in ("s", "alpha", "w1", "W2")}
"""Weight decay has the parameter's factor on the rate twice, as in the authors' code; biases do not decay."""


def realmlp(
    task: Task,
    *,
    quality: Quality = "recommended",
    epochs: int = 256,
    hidden: tuple[int, ...] = (256, 256, 256),
) -> Recipe:
    """The recipe for `task`; with other numbers than the defaults, one of the same kind."""

    def network(blocks: Sequence[Block]) -> NetworkSpec:
        activation = "mish" if task in NUMBERS else "selu"
        rest = RealmlpSpec(hidden=hidden, activation=activation, embedding=False).build()
        return NetworkSpec(layers=(*first_layers(blocks, (PbldSpec(),)), *rest.layers))

    training: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": 256,
        "drop_last": True,
        "optimizer": AdamWSpec(
            learning_rate=0.2 if task in NUMBERS else 0.04, beta2=0.95, epsilon=1e-8, weight_decay=0.02
        ),
        "schedule": CosLog4ScheduleSpec(),
        "decay_schedule": FlatCosScheduleSpec(),
        "dropout_schedule": FlatCosScheduleSpec(),
        "early_stopping": EarlyStoppingSpec(monitor="loss" if task == "count" else "error", ties="last"),
    }
    if task in LOSSES:
        training["loss"] = LOSSES[task]
    return Recipe(
        network=network,
        training=training,
        runs_to_the_end=True,
        quality=quality,
        scaling="robust",
        categories="by_size",
        texts="n_grams",
        clip=task in NUMBERS,
        rate_factors=RATE_FACTORS,
        decay_factors=DECAY_FACTORS,
    )
