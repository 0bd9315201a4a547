"""Trainings that stop, are saved to a file, and go on in a new object that was made from the same inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from engine.arrays import Array
from engine.checkpoint import Checkpoint, load, save
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import Changes, Point, TrainingSpec

Make = Callable[[], Fitting]

ROWS = 60
TARGETS = {"number": "regression", "kind": "multiclass", "yes": "binary", "amount": "regression"}
LAYERS: dict[str, list[dict[str, Any]]] = {
    "plain": [{"kind": "dense", "units": 5}, {"kind": "relu"}, {"kind": "dense"}],
    "noisy": [
        {"kind": "gaussian_noise", "std": 0.1},
        {"kind": "dense", "units": 6},
        {"kind": "batch_normalization"},
        {"kind": "relu"},
        {"kind": "dropout", "rate": 0.3},
        {
            "kind": "residual",
            "layers": [{"kind": "dense", "units": 6}, {"kind": "dropout", "rate": 0.2}],
        },
        {"kind": "dense"},
    ],
    "members": [
        {"kind": "batch_ensemble_dense", "members": 2, "units": 4},
        {"kind": "relu"},
        {"kind": "member_dense"},
    ],
}


def table() -> Table:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, ROWS))
    number = 2 * a - b + 0.3 * rng.normal(size=ROWS)
    frame = pl.DataFrame(
        {
            "a": a,
            "b": b,
            "c": rng.choice(["red", "green", "blue"], ROWS),
            "number": number,
            "kind": np.array(["x", "y", "z"])[np.digitize(number, [-1, 1])],
            "yes": number + c > 0,
            "amount": np.exp(number),
            "weight": rng.uniform(0.5, 2, ROWS),
        }
    )
    types = dict.fromkeys(frame.columns, "numeric") | {"c": "categorical", "kind": "categorical"}
    return Table(frame, types | {"yes": "boolean"})


TABLE = table()


def maker(
    recipe: dict[str, Any], target: str = "number", network: str = "plain", *, weights: bool = False
) -> Make:
    """Makes a new training from the same inputs, each time it is called."""
    layers = NetworkSpec.model_validate({"layers": LAYERS[network]})
    goal = GoalSpec(
        target=target,
        task=TARGETS[target],
        features=["a", "b", "c"],
        sample_weight="weight" if weights else None,
    )
    return lambda: Fitting(TABLE, goal, layers, TrainingSpec.model_validate(recipe))


@dataclass
class Ended:
    """What a training came to."""

    fitting: Fitting
    points: list[Point]
    progresses: int  # times that it yielded

    @property
    def weights(self) -> str:
        return self.fitting.weights_sha256()


def undisturbed(make: Make, changes: Sequence[tuple[int, Changes]] = ()) -> Ended:
    fitting = make()
    progress = list(fitting.run(None, changes))
    return Ended(fitting, [sign.point for sign in progress if sign.point], len(progress))


def stopped(make: Make, folder: Path, *after: int, changes: Sequence[tuple[int, Changes]] = ()) -> Ended:
    """Stop after so many yields, then after so many more, ...; each time go on from the file alone."""
    checkpoint, points, seen = None, [], 0
    for yields in after:
        fitting = make()
        for done, sign in enumerate(fitting.run(checkpoint, changes), 1):
            seen += 1
            if sign.point:
                points.append(sign.point)
            if done == yields:
                break
        save(folder / "stop", fitting.checkpoint())
        for part in (fitting.network.theta, fitting.network.state):
            part.fill(np.nan)  # what goes on must not see the old training
        checkpoint, _ = load(folder / "stop")
        (folder / "stop").unlink()
    fitting = make()
    for sign in fitting.run(checkpoint, changes):
        seen += 1
        if sign.point:
            points.append(sign.point)
    return Ended(fitting, points, seen)


def assert_same(one: Ended, other: Ended) -> None:
    """Bit by bit the same weights, state, history, and everything that a training remembers."""
    assert one.weights == other.weights
    assert list(map(timeless, one.points)) == list(map(timeless, other.points))
    assert one.progresses == other.progresses
    assert one.fitting.best_epoch == other.fitting.best_epoch
    assert one.fitting.stopped_early == other.fitting.stopped_early
    assert_same_memory(one.fitting.checkpoint(), other.fitting.checkpoint())


def assert_same_memory(one: Checkpoint, other: Checkpoint) -> None:
    assert without_seconds(one) == without_seconds(other)
    assert bits(one.arrays) == bits(other.arrays)


def timeless(point: Point) -> Point:
    return point._replace(seconds=0.0)


def without_seconds(checkpoint: Checkpoint) -> dict[str, object]:
    return {name: fact for name, fact in checkpoint.facts.items() if name != "seconds"}


def bits(arrays: dict[str, Array]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in arrays.items()}
