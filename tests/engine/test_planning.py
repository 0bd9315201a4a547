"""What a wish means for a table, and each wish that cannot be met: one table of cases."""

import polars as pl
import pytest
from pydantic import ValidationError

from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.activations.base import SigmoidSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.losses import CrossEntropySpec, MseSpec
from engine.network import NetworkSpec
from engine.planning import decide_task
from engine.spec import InvalidSpec
from engine.training import NoValidation, TrainingSpec

ROWS = 40
FRAME = pl.DataFrame(
    {
        "x": [float(i) for i in range(ROWS)],
        "label": ["a" if i % 2 else "b" for i in range(ROWS)],
        "grade": [i % 3 for i in range(ROWS)],
        "count": [i * 7 for i in range(ROWS)],
        "price": [i + 0.5 for i in range(ROWS)],
        "flag": [i % 2 == 0 for i in range(ROWS)],
        "one": ["only"] * ROWS,
        "empty": pl.Series([None] * ROWS, dtype=pl.Float64),
        "rare": ["yes"] * 4 + ["no"] * 3 + [None] * (ROWS - 7),
        "note": [f"a long text number {i}" for i in range(ROWS)],
        "weight": [1.0 + i % 2 for i in range(ROWS)],
        "negative": [-1.0] * ROWS,
    }
)
TYPES = {
    "x": "numeric",
    "label": "categorical",
    "grade": "numeric",
    "count": "numeric",
    "price": "numeric",
    "flag": "boolean",
    "one": "categorical",
    "empty": "numeric",
    "rare": "categorical",
    "note": "text",
    "weight": "numeric",
    "negative": "numeric",
}
TABLE = Table(FRAME, TYPES)


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ("label", "binary"),
        ("flag", "binary"),
        ("grade", "multiclass"),
        ("count", "regression"),
        ("price", "regression"),
        (("x", "price"), "regression"),
        (None, "autoencoding"),
    ],
)
def test_the_target_decides_the_task(target, task):
    decided, reason = decide_task(GoalSpec(target=target), FRAME, TYPES)
    assert decided == task
    assert reason


def network(*layers):
    return NetworkSpec(layers=layers)


INVALID = [
    # goal, network, training, path, words of the sentence
    ({"target": "colour"}, None, {}, ("target",), "no column 'colour'; there are '"),
    ({"target": "Label"}, None, {}, ("target",), "no column 'Label'; did you mean 'label'?"),
    ({"target": ["x", "colour"]}, None, {}, ("target", 1), "no column 'colour'"),
    ({"target": ["x", "x"]}, None, {}, ("target",), "twice"),
    ({"target": "empty"}, None, {}, ("target",), "no value in any row"),
    ({"target": "one"}, None, {}, ("target",), "one class 'only'"),
    ({"target": "rare"}, None, {}, ("target",), "7 rows with a target; at least 10"),
    ({"target": "grade", "task": "binary"}, None, {}, ("target",), "has 3"),
    ({"target": "price", "task": "multiclass"}, None, {}, ("target",), "fractions"),
    ({"target": "label", "task": "regression"}, None, {}, ("target",), "categorical"),
    ({"target": ["grade", "flag"], "task": "multilabel"}, None, {}, ("target",), "grade holds"),
    ({"target": ["x", "label"], "task": "multiclass"}, None, {}, ("target",), "one target, not 2"),
    ({"target": "x", "task": "autoencoding"}, None, {}, ("target",), "leave out the target"),
    ({"task": "regression"}, None, {}, ("target",), "needs a target"),
    ({"target": "label", "features": ["x", "nope"]}, None, {}, ("features", 1), "no column 'nope'"),
    ({"target": "label", "features": ["label"]}, None, {}, ("features", 0), "cannot be a feature"),
    ({"target": "label", "features": ["x", "x"]}, None, {}, ("features",), "twice"),
    ({"target": "label", "features": ["note", "one"]}, None, {}, ("features",), "no usable feature"),
    ({"target": "label", "sample_weight": "nope"}, None, {}, ("sample_weight",), "no column"),
    ({"target": "label", "sample_weight": "flag"}, None, {}, ("sample_weight",), "number in every row"),
    ({"target": "label", "sample_weight": "negative"}, None, {}, ("sample_weight",), "0 or more"),
    (
        {"target": "label"},
        None,
        {"class_weights": {"c": 1.0}},
        ("training", "class_weights", "c"),
        "there are a, b",
    ),
    ({"target": "price"}, None, {"class_weights": "balanced"}, ("training", "class_weights"), "regression"),
    (
        {"target": "price"},
        None,
        {"loss": CrossEntropySpec()},
        ("training", "loss"),
        "not a loss for regression",
    ),
    (
        {"target": "grade"},
        network(DenseSpec(units=5)),
        {},
        ("network", "layers", 0),
        "shape [5], but the target needs 3",
    ),
    ({"target": "grade"}, network(DenseSpec(), ReluSpec()), {}, ("network", "layers", 1), "makes no sense"),
    (
        {"target": "label"},
        network(DenseSpec(), ReluSpec()),
        {"loss": MseSpec()},
        ("network", "layers", 1),
        "must end with sigmoid",
    ),
    ({"target": "price"}, network(DenseSpec(), SigmoidSpec()), {}, ("network", "layers", 1), "cannot reach"),
    (
        {"target": "label"},
        NetworkSpec(layers=(DenseSpec(),), input_shape=(3, 3)),
        {},
        ("network", "input_shape"),
        "rows of shape [3, 3]",
    ),
]


@pytest.mark.parametrize(("goal", "spec", "training", "path", "words"), INVALID)
def test_a_wish_that_cannot_be_met_names_the_field(goal, spec, training, path, words):
    with pytest.raises(InvalidSpec) as raised:
        Fitting(TABLE, GoalSpec.model_validate(goal), spec, TrainingSpec(**training))
    assert raised.value.path == path
    assert words in raised.value.detail


def test_no_features_at_all_is_not_a_wish():
    with pytest.raises(ValidationError):
        GoalSpec(target="label", features=())


def test_useless_features_are_left_out_with_a_reason():
    plan = Fitting(TABLE, GoalSpec(target="label")).plan
    assert {item.column for item in plan.left_out} == {"one", "empty", "note", "negative"}
    assert all(item.reason for item in plan.left_out)
    assert "x" in plan.features


def test_rows_without_a_target_are_counted():
    frame = FRAME.with_columns(label=pl.Series([None] * 5 + ["a", "b"] * 17 + ["a"]))
    plan = Fitting(Table(frame, TYPES), GoalSpec(target="label")).plan
    assert plan.rows.dropped == 5
    assert plan.rows.training + plan.rows.validation == ROWS - 5
    assert any(warning.code == "missing_target" for warning in plan.warnings)


def test_a_class_of_one_row_stays_in_training_with_a_warning():
    frame = FRAME.with_columns(label=pl.Series(["a", "b"] * 19 + ["a", "lone"]))
    fitting = Fitting(Table(frame, TYPES), GoalSpec(target="label"))
    assert fitting.plan.classes == ["a", "b", "lone"]
    assert any(warning.code == "lone_class" for warning in fitting.plan.warnings)


def test_many_classes_of_one_row_are_one_warning_and_nothing_else_is_refused():
    labels = [*"abcdefghijkl", *(["x", "y"] * 14)]
    fitting = Fitting(Table(FRAME.with_columns(label=pl.Series(labels)), TYPES), GoalSpec(target="label"))
    [told] = [warning.detail for warning in fitting.plan.warnings if warning.code == "lone_class"]
    assert told == "12 classes are in one row each, which stays in training"
    names = FRAME.with_columns(label=pl.Series([f"name {i}" for i in range(ROWS)]))
    with pytest.raises(InvalidSpec, match="no class to learn from several rows"):
        Fitting(Table(names, TYPES), GoalSpec(target="label"))


def test_without_validation_all_rows_train():
    plan = Fitting(TABLE, GoalSpec(target="label"), None, TrainingSpec(validation=NoValidation())).plan
    assert (plan.rows.training, plan.rows.validation) == (ROWS, 0)


def test_the_sample_weight_is_no_feature():
    plan = Fitting(TABLE, GoalSpec(target="label", sample_weight="weight")).plan
    assert "weight" not in plan.features


@pytest.mark.parametrize(
    ("values", "told"),
    [(range(7, 7 + ROWS), True), ([*range(ROWS - 1), 0], False), (range(0, 2 * ROWS, 2), False)],
    ids=["row numbers", "one twice", "with gaps"],
)
def test_a_feature_that_numbers_the_rows_is_told(values, told):
    frame = FRAME.select("x", "label").with_columns(id=pl.Series(values))
    table = Table(frame, {"x": "numeric", "label": "categorical", "id": "numeric"})
    warned = [
        (warning.code, warning.column) for warning in Fitting(table, GoalSpec(target="label")).plan.warnings
    ]
    assert (("identifier", "id") in warned) is told
    asked = Fitting(table, GoalSpec(target="label", features=("x", "id"))).plan.warnings
    assert "identifier" not in {warning.code for warning in asked}
