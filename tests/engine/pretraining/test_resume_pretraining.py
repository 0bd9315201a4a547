"""Pretraining that stops anywhere goes on with the same bits, into the training after it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.checkpoint import CheckpointMismatch, load, save
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import Changes, TrainingSpec

LAYERS = [
    {"kind": "dense", "units": 4},
    {"kind": "sigmoid"},
    {"kind": "dropout", "rate": 0.2},
    {"kind": "dense", "units": 3},
    {"kind": "sigmoid"},
    {"kind": "dense"},
]
X = np.random.default_rng(0).uniform(size=(40, 3))
TABLE = Table(
    pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": X @ [1, -1, 2]}),
    dict.fromkeys("abcy", "numeric"),
)


def make(pretraining: dict[str, Any], **recipe: Any) -> Fitting:
    spec = {"epochs": 2, "batch_size": 16, "pretraining": {"epochs": 2, "batch_size": 15} | pretraining}
    goal = GoalSpec(target="y", task="regression", scaling="unit")
    network = NetworkSpec.model_validate({"layers": LAYERS})
    return Fitting(TABLE, goal, network, TrainingSpec.model_validate(spec | recipe))


def finish(fitting: Fitting, *how: Any) -> tuple[str, list[Any]]:
    points = [sign.point._replace(seconds=0.0) for sign in fitting.run(*how) if sign.point]
    return fitting.weights_sha256(), points


def stopped(pretraining: dict[str, Any], file: Path, *after: int) -> tuple[str, list[Any]]:
    """Stop after so many yields, then after so many more; only for stops before the first point."""
    checkpoint = None
    for yields in after:
        fitting = make(pretraining)
        run = fitting.run(checkpoint)
        for _ in range(yields):
            assert next(run).point is None
        save(file, fitting.checkpoint())
        checkpoint, _ = load(file)
    return finish(make(pretraining), checkpoint)


@pytest.mark.parametrize(
    "pretraining",
    [{"kind": "rbm", "k": 2}, {"kind": "rbm", "visible": "gaussian"}, {"kind": "autoencoder"}],
    ids=["rbm", "gaussian", "autoencoder"],
)
def test_stopped_after_any_step(pretraining: dict[str, Any], tmp_path: Path) -> None:
    whole = finish(make(pretraining))
    steps = 2 * 2 * 3  # of two layers, two epochs each of three batches, the last of two rows
    for yields in range(1, steps + 2):  # also after the first batch of the training proper
        assert stopped(pretraining, tmp_path / "stop", yields) == whole
    assert stopped(pretraining, tmp_path / "stop", 2, 6) == whole
    assert stopped(pretraining, tmp_path / "stop", 7, 5, 1) == whole


def test_the_position_is_before_all_epochs() -> None:
    fitting = make({"kind": "rbm"})
    next(fitting.run())
    facts = fitting.checkpoint().facts
    assert [facts[name] for name in ("epoch", "epochs_done", "batches_done", "step")] == [0, 0, 0, 0]
    assert facts["seconds"] > 0


def test_a_change_meanwhile_waits_for_the_first_epoch() -> None:
    fitting = make({"kind": "rbm"})
    run = fitting.run()
    next(run)
    fitting.change(Changes(epochs=3))
    assert [sign.point.epoch for sign in run if sign.point] == [1, 2, 3]
    assert fitting.applied == [(0, Changes(epochs=3))]


def test_a_checkpoint_of_another_pretraining_is_refused() -> None:
    fitting = make({"kind": "rbm"})
    next(fitting.run())
    with pytest.raises(CheckpointMismatch, match=r"there /pretraining/k is 1, not 2"):
        next(make({"kind": "rbm", "k": 2}).run(fitting.checkpoint()))
