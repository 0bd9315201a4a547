"""What a recipe asks for beyond plain batches, through the whole way from a table to a model."""

import numpy as np
import polars as pl
import pytest

from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.combinators import ResidualSpec
from engine.layers.dense import DenseSpec
from engine.network import NetworkSpec
from engine.optimizers import LbfgsSpec, PerceptronRuleSpec
from engine.schedules import ReduceOnPlateauSpec
from engine.spec import InvalidSpec
from engine.training import NoValidation, TrainingSpec, WeightAverageSpec

ROWS = 200
X = np.random.default_rng(0).normal(size=(ROWS, 2))
TYPES = {"a": "numeric", "b": "numeric", "y": "numeric"}
NESTED = NetworkSpec(
    layers=(
        DenseSpec(units=8),
        ResidualSpec(layers=(DenseSpec(units=8), ReluSpec())),
        ReluSpec(),
        DenseSpec(),
    )
)


def table(y: np.ndarray) -> Table:
    return Table(pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y}), TYPES)


LINEAR = table(2 * X[:, 0] - X[:, 1])
PARTED = table((X[:, 0] > X[:, 1]).astype(int))


def fit(data: Table, network: NetworkSpec | None = None, **recipe) -> tuple[Fitting, list]:
    fitting = Fitting(data, GoalSpec(target="y"), network, TrainingSpec(**recipe))
    return fitting, [progress.point for progress in fitting.run() if progress.point]


@pytest.mark.parametrize("key", ["gamma", "9.W", "1.W"])
def test_a_rate_factor_without_its_parameter_is_refused_before_anything_runs(key: str):
    with pytest.raises(InvalidSpec, match="no parameter") as caught:
        Fitting(LINEAR, GoalSpec(target="y"), NESTED, TrainingSpec(rate_factors={"b": 0.5, key: 2.0}))
    assert caught.value.path == ("training", "rate_factors", key)


def test_layers_within_layers_have_full_names():
    fitting, _ = fit(LINEAR, NESTED, epochs=1, rate_factors={"1.0.0.W": 0.0, "b": 0.0})
    start, _ = fit(LINEAR, NESTED, epochs=1, rate_factors={"W": 0.0, "b": 0.0})
    same = fitting.model.theta == start.model.theta
    sizes = {"0.W": 16, "0.b": 8, "1.0.0.W": 64, "1.0.0.b": 8, "3.W": 8, "3.b": 1}
    at = np.cumsum([0, *sizes.values()])
    held = {name: same[a:b].all() for name, a, b in zip(sizes, at, at[1:], strict=False)}
    assert held == {"0.W": False, "0.b": True, "1.0.0.W": True, "1.0.0.b": True, "3.W": False, "3.b": True}


def test_lbfgs_learns_a_line_at_once():
    fitting, points = fit(LINEAR, NetworkSpec(layers=(DenseSpec(),)), epochs=8, optimizer=LbfgsSpec())
    assert points[-1].step == 8
    assert fitting.evaluate(fitting.model).r2 == pytest.approx(1, abs=1e-6)
    small = Fitting(LINEAR, GoalSpec(target="y"), NESTED, TrainingSpec(batch_size=1))
    large = Fitting(LINEAR, GoalSpec(target="y"), NESTED, TrainingSpec(optimizer=LbfgsSpec(history=1)))
    assert large.plan.network.training_bytes > small.plan.network.training_bytes


def test_the_perceptron_rule_parts_classes():
    fitting, points = fit(
        PARTED, NetworkSpec(layers=(DenseSpec(),)), epochs=30, optimizer=PerceptronRuleSpec()
    )
    assert fitting.plan.loss == "perceptron"
    assert points[0].step == fitting.plan.rows.training
    assert fitting.evaluate(fitting.model).accuracy > 0.95


def test_the_perceptron_rule_is_recommended_one_layer():
    fitting, points = fit(PARTED, epochs=20, optimizer=PerceptronRuleSpec())
    assert [layer.kind for layer in fitting.network_spec.layers] == ["dense"]
    assert points[-1].train_loss < points[0].train_loss


def test_the_perceptron_rule_has_no_classes_in_regression():
    with pytest.raises(InvalidSpec, match="perceptron") as caught:
        Fitting(LINEAR, GoalSpec(target="y"), None, TrainingSpec(optimizer=PerceptronRuleSpec()))
    assert caught.value.path == ("training", "loss")


@pytest.mark.slow
def test_all_at_once():
    recipe = {
        "epochs": 40,
        "batch_size": 8,
        "accumulate": 2,
        "mixup": 0.2,
        "max_norm": 3.0,
        "weight_average": WeightAverageSpec(decay=0.98),
        "shuffle": "block",
        "schedule": ReduceOnPlateauSpec(patience=5),
        "rate_factors": {"b": 0.1},
        "optimizer": {"kind": "nadam", "learning_rate": 0.01},
    }
    fitting, points = fit(PARTED, **recipe)
    again, _ = fit(PARTED, **recipe)
    assert np.array_equal(fitting.model.theta, again.model.theta)
    assert points[0].step == -(-fitting.plan.rows.training // 16)
    assert fitting.evaluate(fitting.model).accuracy > 0.9


def test_what_training_keeps_is_in_the_plan():
    def planned(**recipe) -> int:
        training = TrainingSpec(validation=NoValidation(), **recipe)
        return Fitting(LINEAR, GoalSpec(target="y"), NESTED, training).plan.network.training_bytes

    parameters = 24 + 72 + 9
    assert planned(accumulate=2) - planned() == 4 * parameters
    assert planned(weight_average={}) - planned() == 4 * parameters
