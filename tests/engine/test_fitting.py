"""The whole way from a table to a model, on real data."""

from importlib.resources import files

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_wine

from engine.encoding.columns import infer
from engine.evaluation import evaluate
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.activations.softmax import SoftmaxSpec
from engine.layers.dense import DenseSpec
from engine.losses import MseSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.training import DatasetValidation, NoValidation, TrainingSpec


def table(frame):
    typed, types, _ = infer(frame)
    return Table(typed, types)


@pytest.fixture(scope="module")
def penguins():
    path = files("app.demo").joinpath("penguins.csv")
    return table(pl.read_csv(path.read_bytes(), infer_schema=False))


def trained(*args, **kwargs):
    fitting = Fitting(*args, **kwargs)
    points = [progress.point for progress in fitting.run() if progress.point]
    return fitting, points


@pytest.mark.slow
def test_penguins_species(penguins):
    fitting, points = trained(penguins, GoalSpec(target="species"))
    model = fitting.model
    evaluation = fitting.evaluate(model)
    assert evaluation.accuracy >= 0.95
    assert evaluation.rows == fitting.plan.rows.validation
    assert points[-1].epoch == 256
    assert fitting.best_epoch is not None
    assert model.predict(penguins.frame.head(1))[0]["label"] == "Adelie"


def test_the_plan_is_what_is_trained(penguins):
    fitting, _ = trained(penguins, GoalSpec(target="species"), training=TrainingSpec(epochs=1))
    assert fitting.plan.network.parameters == fitting.model.theta.size
    assert fitting.plan.input_shape == [fitting.model.encoder.width]


def test_same_seed_same_bits(penguins):
    spec = TrainingSpec(epochs=3, seed=5)
    thetas = [trained(penguins, GoalSpec(target="species"), training=spec)[0].model.theta for _ in range(2)]
    other = trained(penguins, GoalSpec(target="species"), training=spec.model_copy(update={"seed": 6}))[
        0
    ].model.theta
    assert thetas[0].tobytes() == thetas[1].tobytes()
    assert thetas[0].tobytes() != other.tobytes()


def test_a_resolved_network_trains_alike(penguins):
    """A job keeps the resolved network and trains that: it must be the same training."""
    spec = TrainingSpec(epochs=2)
    network = NetworkSpec(layers=(DenseSpec(units=4), ReluSpec(), DenseSpec(), SoftmaxSpec()))
    first, _ = trained(penguins, GoalSpec(target="species"), network, spec)
    again, _ = trained(penguins, GoalSpec(target="species"), first.network_spec, spec)
    assert first.network_spec == again.network_spec
    assert first.model.theta.tobytes() == again.model.theta.tobytes()


def test_the_encoder_sees_the_training_rows_only():
    frame = pl.DataFrame({"x": [0.0, 1.0] * 20, "y": [0.5, 1.5] * 20})
    held_out = pl.DataFrame({"x": [1000.0] * 10, "y": [1.0] * 10})
    types = {"x": "numeric", "y": "numeric"}
    fitting = Fitting(
        Table(frame, types),
        GoalSpec(target="y"),
        training=TrainingSpec(validation=DatasetValidation(dataset_id="other")),
        validation=Table(held_out, types),
    )
    assert fitting.plan.rows.training == 40
    assert fitting.plan.rows.validation == 10
    assert fitting.encoder.encode(frame)[:, 0].mean() == pytest.approx(0, abs=1e-6)


def test_a_validation_table_of_another_type_is_named():
    types = {"x": "numeric", "y": "numeric"}
    table = Table(pl.DataFrame({"x": [0.0, 1.0] * 20, "y": [0.5, 1.5] * 20}), types)
    other = Table(pl.DataFrame({"x": ["w"] * 10, "y": [1.0] * 10}), types | {"x": "text"})
    recipe = TrainingSpec(validation=DatasetValidation(dataset_id="other"))
    with pytest.raises(InvalidSpec, match="the validation data set: column 'x' cannot be numeric") as error:
        Fitting(table, GoalSpec(target="y"), training=recipe, validation=other)
    assert error.value.path == ("training", "validation", "dataset_id")


def test_a_last_softmax_is_the_link(penguins):
    network = NetworkSpec(layers=(DenseSpec(units=8), ReluSpec(), DenseSpec(), SoftmaxSpec()))
    fitting, _ = trained(penguins, GoalSpec(target="species"), network, TrainingSpec(epochs=2))
    assert fitting.network_spec.layers[-1].kind == "dense"
    assert fitting.plan.notes
    assert sum(fitting.model.predict(penguins.frame.head(1))[0]["probabilities"].values()) == pytest.approx(1)


def test_a_softmax_under_mse_runs_as_a_layer(penguins):
    network = NetworkSpec(layers=(DenseSpec(units=16), ReluSpec(), DenseSpec(), SoftmaxSpec()))
    fitting, points = trained(
        penguins, GoalSpec(target="species"), network, TrainingSpec(loss=MseSpec(), epochs=60)
    )
    assert fitting.network_spec.layers[-1].kind == "softmax"
    assert points[-1].train_loss < points[0].train_loss
    assert fitting.evaluate(fitting.model).accuracy > 0.9


def test_rows_that_validate_must_count() -> None:
    frame = pl.DataFrame(
        {"t": range(60), "x": range(60), "y": ["a", "b"] * 24 + ["c"] * 12, "w": [1] * 48 + [0] * 12}
    )
    typed, types, _ = infer(frame)
    late = {"validation": {"kind": "fraction", "time": "t"}}
    for goal, training, path in (
        ({}, {"class_weights": "balanced"}, ("training", "class_weights")),
        ({"sample_weight": "w"}, {}, ("sample_weight",)),
    ):
        with pytest.raises(InvalidSpec) as raised:
            Fitting(
                Table(typed, types),
                GoalSpec(target="y", **goal),
                training=TrainingSpec.model_validate(late | training),
            )
        assert raised.value.path == path


def test_balanced_class_weights_count(penguins):
    plain, _ = trained(penguins, GoalSpec(target="species"), training=TrainingSpec(epochs=2))
    balanced, _ = trained(
        penguins, GoalSpec(target="species"), training=TrainingSpec(epochs=2, class_weights="balanced")
    )
    assert plain.model.theta.tobytes() != balanced.model.theta.tobytes()


def test_a_weight_of_zero_is_as_good_as_no_row():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(60)
    frame = pl.DataFrame({"x": x, "y": 2 * x, "w": [1.0] * 60})
    wrong = pl.DataFrame({"x": x, "y": -9 * x, "w": [0.0] * 60})
    types = {"x": "numeric", "y": "numeric", "w": "numeric"}
    spec = TrainingSpec(epochs=300, batch_size=120, validation=NoValidation())
    fitting, _ = trained(
        Table(pl.concat([frame, wrong]), types),
        GoalSpec(target="y", sample_weight="w"),
        NetworkSpec(layers=(DenseSpec(),)),
        spec.model_copy(update={"optimizer": spec.optimizer.model_copy(update={"learning_rate": 0.05})}),
    )
    values = [row["value"] for row in fitting.model.predict(pl.DataFrame({"x": [1.0, -1.0]}))]
    assert values == pytest.approx([2.0, -2.0], abs=0.05)
    assert any("count all rows alike" in note for note in fitting.plan.notes)


def test_an_autoencoder_learns_its_features(penguins):
    fitting, points = trained(penguins, GoalSpec(), training=TrainingSpec(epochs=30))
    assert fitting.plan.task == "autoencoding"
    assert points[-1].validation_loss < points[0].validation_loss / 3
    assert fitting.evaluate(fitting.model).kind == "autoencoding"
    assert fitting.model.predict(penguins.frame.head(2))[1]["reconstruction_error"] >= 0


def test_multilabel():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200, 2))
    frame = pl.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "up": (x[:, 0] > 0).astype(int), "right": (x[:, 1] > 0).astype(int)}
    )
    types = dict.fromkeys(frame.columns, "numeric")
    fitting, _ = trained(
        Table(frame, types),
        GoalSpec(target=("up", "right"), task="multilabel"),
        training=TrainingSpec(epochs=60),
    )
    (prediction,) = fitting.model.predict(pl.DataFrame({"a": [2.0], "b": [-2.0]}))
    assert prediction["labels"] == ["up"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "target", "figure", "bar"),
    [(load_wine, "target", "accuracy", 0.94), (load_diabetes, "target", "r2", 0.35)],
)
def test_the_default_recipe_on_real_data(load, target, figure, bar):
    """20 % kept apart, mean of 3 seeds."""
    data = load()
    frame = pl.DataFrame(data.data, schema=list(data.feature_names)).with_columns(
        target=pl.Series(data.target)
    )
    scores = []
    for seed in range(3):
        shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
        apart = frame.height // 5
        fitting, _ = trained(
            table(shuffled[apart:]), GoalSpec(target=target), training=TrainingSpec(seed=seed)
        )
        test = shuffled[:apart]
        model = fitting.model
        x = model.encoder.encode(test)
        scores.append(
            getattr(evaluate(model.target, model.answers_to(x), model.target.truth(test, x)), figure)
        )
    assert np.mean(scores) >= bar


@pytest.mark.parametrize("name", ["*", "^.*$", "a b", "", "…"])
def test_a_column_may_have_any_name(name):
    frame = pl.DataFrame({name: ["a", "b", None] * 20, "x": [1.0, -1.0, 0.0] * 20})
    types = {name: "categorical", "x": "numeric"}
    held_out = Table(frame.tail(12), types)
    spec = TrainingSpec(epochs=1, validation=DatasetValidation(dataset_id="other"))
    fitting, _ = trained(Table(frame, types), GoalSpec(target=name), None, spec, held_out)
    assert fitting.plan.rows.dropped == 20
    assert fitting.plan.rows.validation == 8
