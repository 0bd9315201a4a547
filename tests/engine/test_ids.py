"""Embeddings that take a table's numbers for ids."""

import numpy as np
import polars as pl
import pytest

from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.dense import DenseSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.reshape import ReshapeSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.training import TrainingSpec

IDS = np.random.default_rng(0).integers(0, 4, (40, 2))
TABLE = Table(
    pl.DataFrame({"a": IDS[:, 0], "b": IDS[:, 1], "y": IDS[:, 0] % 2}), dict.fromkeys("aby", "numeric")
)


def notes(size: int, scaling: str) -> list[str]:
    network = NetworkSpec(
        layers=(ReshapeSpec(shape=(2, 1)), EmbeddingSpec(size=size, dimension=2), FlattenSpec(), DenseSpec())
    )
    return Fitting(TABLE, GoalSpec(target="y", scaling=scaling), network).plan.notes


def test_ids_as_they_are_need_no_words() -> None:
    assert notes(4, "none") == []


def test_ids_beyond_the_vocabulary_are_counted() -> None:
    [note] = notes(1, "none")
    assert "no whole numbers from 0 to 0" in note
    assert "scaling" not in note


def test_scaled_ids_are_no_ids() -> None:
    [note] = notes(4, "standard")
    assert note.startswith("100% of the inputs")
    assert "the scaling none" in note


def test_ids_are_not_mixed() -> None:
    network = NetworkSpec(layers=(EmbeddingSpec(size=4, dimension=2), FlattenSpec(), DenseSpec()))
    with pytest.raises(InvalidSpec, match="mixup would mix the ids") as error:
        Fitting(TABLE, GoalSpec(target="y"), network, TrainingSpec(mixup=0.2))
    assert error.value.path == ("training", "mixup")
