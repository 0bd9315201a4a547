"""A small network for steps over time, such as the window of a forecast: a recurrent layer beside a linear one.

Both read all of it. The linear part is an autoregression, which follows trends and seasons; the recurrent one bends
it (Lai et al. 2018, Modeling long- and short-term temporal patterns with deep neural networks, section 3.6). Long
windows are shortened by convolutions before the recurrent layer.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from engine.arrays import Shape
from engine.encoding.blocks import Block
from engine.goal import Quality
from engine.layers import LayerSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.combinators import ParallelSpec
from engine.layers.convolution.conv import Conv1dSpec
from engine.layers.dense import DenseSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.recurrent.gru import GruSpec
from engine.network import NetworkSpec
from engine.optimizers import AdamWSpec
from engine.recipes.recipe import Recipe
from engine.schedules import OneCycleScheduleSpec
from engine.tasks import Task
from engine.training import EarlyStoppingSpec

UNITS = 48
STEPS_AT_MOST = 64
"""Steps that the recurrent layer reads; convolutions halve the window until it has no more."""
BATCH = 32
STEPS: dict[Quality, int] = {"fast": 1_000, "recommended": 4_000, "high": 16_000}
"""Of the optimizer, in all."""
FEWEST_EPOCHS, MOST_EPOCHS = 4, 400


def recipe(task: Task, shape: Shape, rows: int, quality: Quality) -> Recipe:
    """The recipe for about `rows` sequences of `shape` (steps, columns)."""

    def network(_: Sequence[Block]) -> NetworkSpec:
        both = ParallelSpec(branches=(tuple(_recurrent(shape[0])), (FlattenSpec(),)))
        return NetworkSpec(layers=(both, DenseSpec()))

    training: dict[str, Any] = {
        "epochs": max(FEWEST_EPOCHS, min(MOST_EPOCHS, STEPS[quality] * BATCH // rows)),
        "batch_size": BATCH,
        "optimizer": AdamWSpec(learning_rate=0.003, weight_decay=0.01),
        "schedule": OneCycleScheduleSpec(),
        "early_stopping": EarlyStoppingSpec(monitor="loss" if task == "count" else "error", ties="last"),
    }
    return Recipe(network=network, training=training, runs_to_the_end=True, quality=quality, takes_shape=True)


def note(shape: Shape) -> str:
    """What the plan says of the network."""
    return f"a recurrent and a linear layer side by side, on {shape[0]} steps"


def _recurrent(steps: int) -> Iterator[LayerSpec]:
    while steps > STEPS_AT_MOST:
        yield from (Conv1dSpec(filters=UNITS, kernel_size=5, stride=2, padding="same"), ReluSpec())
        steps = -(-steps // 2)
    yield GruSpec(units=UNITS)
