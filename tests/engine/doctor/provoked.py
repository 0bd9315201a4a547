"""A training for each kind of finding that provokes it, and what a test does with one."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine

from engine.checkup import doctor_of
from engine.doctor import Finding, Operation, apply
from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import Diverged, TrainingSpec

Json = dict[str, Any]


def table(x, y) -> Table:
    """Columns x0, x1, ... and target."""
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(np.asarray(x).T)} | {"target": y})
    typed, types, _ = infer(frame.select(pl.all().cast(pl.String)))
    return Table(typed, types)


def loaded(load) -> Table:
    """A data set of scikit-learn's."""
    data = load()
    return table(data.data, data.target)


def examined(rows: Table, request: Json) -> tuple[list[Finding], Fitting]:
    """All findings of a training, and the training."""
    goal = GoalSpec.model_validate({name: request[name] for name in GoalSpec.model_fields & request.keys()})
    network = None if request["network"] is None else NetworkSpec.model_validate(request["network"])
    training = TrainingSpec.model_validate(request["training"])
    fitting = Fitting(rows, goal, network, training)
    doctor = doctor_of(fitting)
    found = doctor.before()
    try:
        for progress in fitting.run():
            if progress.point is not None:
                found += doctor.after(progress.point, fitting.network)
        found += doctor.at_end()
    except Diverged as error:
        found += doctor.on_divergence(error)
    return found, fitting


@dataclass(frozen=True)
class Provoked:
    """A training that is wrong in one way."""

    code: str
    severity: str
    rows: Table
    layers: list[Json]
    training: Json
    goal: Json = field(default_factory=dict)

    @property
    def request(self) -> Json:
        """The request with every default filled in, as the API shows it."""
        goal = GoalSpec.model_validate({"target": "target"} | self.goal)
        return {
            **goal.model_dump(mode="json"),
            "network": NetworkSpec.model_validate({"layers": self.layers}).model_dump(mode="json"),
            "training": TrainingSpec.model_validate(self.training).model_dump(mode="json"),
        }

    def patched(self, patch: tuple[Operation, ...]) -> Json:
        """The request after a remedy."""
        return apply(self.request, patch)


def dense(units=None, **more) -> Json:
    return {"kind": "dense", **({"units": units} if units else {}), **more}


def normal(mean=0.0, std=0.0) -> Json:
    return {"kind": "normal", "mean": mean, "std": std}


def rate(kind, learning_rate) -> Json:
    return {"kind": kind, "learning_rate": learning_rate}


RELU, SIGMOID, TANH = {"kind": "relu"}, {"kind": "sigmoid"}, {"kind": "tanh"}
RNG = np.random.default_rng(0)
IRIS, WINE, DIGITS, DIABETES = map(loaded, (load_iris, load_wine, load_digits, load_diabetes))
CORNERS = RNG.uniform(-1, 1, (200, 2))
XOR = table(CORNERS, (CORNERS[:, 0] * CORNERS[:, 1] > 0).astype(int))
COINS = table(RNG.normal(size=(60, 20)), RNG.integers(0, 2, 60))
RARE = table(RNG.normal(size=(300, 3)), (np.arange(300) % 30 == 0).astype(int))
SIGNAL = RNG.normal(size=(200, 3))
SUMS = SIGNAL[:, 0] + RNG.normal(size=200)
SIDES = (RNG.random(200) < 0.5).astype(int)
TWO = [dense(32), RELU, dense(32), RELU, dense()]

PROVOKED = [
    Provoked("divergence", "error", IRIS, TWO, {"epochs": 10, "optimizer": rate("sgd", 1000)}),
    Provoked(
        "divergence",
        "warning",
        DIABETES,
        [dense()],
        {"epochs": 30, "early_stopping": None, "optimizer": rate("sgd", 0.5), "batch_size": 400},
    ),
    Provoked(
        "dead_relus",
        "error",
        IRIS,
        [dense(16, bias_initializer=normal(mean=-10)), RELU, dense()],
        {"epochs": 10},
    ),
    Provoked(
        "vanishing_gradients",
        "warning",
        DIGITS,
        [dense(32), SIGMOID] * 8 + [dense()],
        {"epochs": 8, "optimizer": rate("sgd", 0.01)},
    ),
    Provoked(
        "exploding_gradients",
        "warning",
        IRIS,
        [dense(64, weight_initializer=normal(std=1)), RELU] * 6 + [dense(weight_initializer=normal(std=1))],
        {"epochs": 4, "optimizer": rate("sgd", 1e-12)},
    ),
    Provoked("overfitting", "warning", COINS, TWO, {"epochs": 150, "early_stopping": None}),
    Provoked(
        "underfitting",
        "warning",
        XOR,
        [dense()],
        {"epochs": 100, "early_stopping": None, "optimizer": rate("adam", 0.05)},
    ),
    Provoked(
        "learning_rate_too_high",
        "warning",
        WINE,
        TWO,
        {"epochs": 20, "early_stopping": None, "optimizer": rate("adam", 1)},
    ),
    Provoked(
        "learning_rate_too_high", "warning", DIGITS, TWO, {"epochs": 20, "optimizer": rate("adam", 0.5)}
    ),
    Provoked("learning_rate_too_low", "warning", WINE, TWO, {"epochs": 20, "optimizer": rate("adam", 1e-6)}),
    Provoked("learning_rate_too_low", "warning", DIGITS, TWO, {"epochs": 6, "optimizer": rate("sgd", 1e-5)}),
    Provoked("class_imbalance", "warning", RARE, [dense()], {"epochs": 3}),
    Provoked("leakage_suspect", "warning", table(np.c_[SIGNAL, 3 * SUMS + 1], SUMS), TWO, {"epochs": 3}),
    Provoked(
        "leakage_suspect",
        "warning",
        table(np.c_[SIGNAL, 5 * SIDES + RNG.normal(size=200) / 10], SIDES),
        TWO,
        {"epochs": 3},
    ),
    Provoked("constant_feature", "info", table(np.c_[SIGNAL, np.ones(200)], SUMS), TWO, {"epochs": 3}),
    Provoked("constant_feature", "info", DIGITS, TWO, {"epochs": 2}, {"scaling": "unit"}),
    Provoked("unscaled_inputs", "warning", WINE, TWO, {"epochs": 3}, {"scaling": "none"}),
    Provoked(
        "saturated",
        "warning",
        WINE,
        [dense(32, weight_initializer=normal(std=30)), TANH, dense()],
        {"epochs": 8},
    ),
    Provoked(
        "plateau",
        "info",
        XOR,
        [dense()],
        {"epochs": 100, "early_stopping": None, "optimizer": rate("adam", 0.05)},
    ),
]
