"""TabM: the recipe of the highest accuracy, which takes much longer.

Gorishniy, Kotelnikov and Babenko 2024, TabM: advancing tabular deep learning with parameter-efficient ensembling.
"""

from collections.abc import Sequence

from engine.encoding.blocks import Block
from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.network import NetworkSpec
from engine.optimizers import AdamWSpec
from engine.recipes.layout import first_layers
from engine.recipes.recipe import Recipe
from engine.tasks import Task
from engine.templates.tabular import TabmSpec
from engine.training import EarlyStoppingSpec

EPOCHS = 200
"""At most: early stopping ends it."""


def tabm(task: Task, *, epochs: int = EPOCHS) -> Recipe:
    """The recipe for `task`."""
    return Recipe(
        network=_network,
        training={
            "epochs": epochs,
            "batch_size": 256,
            "optimizer": AdamWSpec(learning_rate=0.002, weight_decay=0.0003),
            "early_stopping": EarlyStoppingSpec(patience=16, monitor="loss" if task == "count" else "error"),
        },
        quality="high",
        scaling="quantile",
        texts="n_grams",
    )


def _network(blocks: Sequence[Block]) -> NetworkSpec:
    """The template, whose embedding is for the numbers alone."""
    template = TabmSpec()
    of_numbers, *rest = template.build().layers
    assert isinstance(of_numbers, PiecewiseLinearEmbeddingSpec), "the template begins with its embedding"
    return NetworkSpec(layers=(*first_layers(blocks, (of_numbers,)), *rest))
