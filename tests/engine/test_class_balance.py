"""How often classes occur, and the warning of those that hardly do."""

import polars as pl

from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.training import FractionValidation, NoValidation, TrainingSpec

EVERY = TrainingSpec(validation=NoValidation())


def planned(labels, training=EVERY):
    frame, types, _ = infer(pl.DataFrame({"x": [i + 0.5 for i in range(len(labels))], "y": labels}))
    return Fitting(Table(frame, types), GoalSpec(target="y"), training=training).plan


def test_rare_classes_are_counted_and_named():
    plan = planned(["a"] * 80 + ["b"] * 10 + ["c"] * 9 + ["d"] * 3)
    assert plan.class_counts == {"a": 80, "b": 10, "c": 9, "d": 3}
    [warning] = [warning for warning in plan.warnings if warning.code == "rare_class"]
    assert warning.column == "y"
    assert warning.detail.endswith("'d' (3), 'c' (9)")


def test_the_rows_that_train_count():
    """Of 12 rows of a class, 3 in 10 validate: fewer than 10 are left."""
    labels, part = ["a"] * 80 + ["b"] * 12, TrainingSpec(validation=FractionValidation(fraction=0.3))
    assert [warning.code for warning in planned(labels).warnings] == []
    assert [warning.code for warning in planned(labels, part).warnings] == ["rare_class"]


def test_many_rare_classes_are_no_long_sentence():
    plan = planned([f"class {i // 2}" for i in range(400)])
    [warning] = [warning for warning in plan.warnings if warning.code == "rare_class"]
    assert warning.detail.endswith("and 195 more")
    assert len(warning.detail) < 300


def test_of_several_labels_the_rows_in_which_each_holds_count():
    frame = pl.DataFrame({"x": [float(i) for i in range(60)], "a": [1] * 4 + [0] * 56, "b": [0, 1] * 30})
    frame, types, _ = infer(frame)
    plan = Fitting(Table(frame, types), GoalSpec(target=("a", "b"), task="multilabel"), training=EVERY).plan
    assert plan.class_counts == {"a": 4, "b": 30}
    [warning] = [warning for warning in plan.warnings if warning.code == "rare_class"]
    assert (warning.column, warning.detail.endswith("'a' (4)")) == (None, True)
