"""A learning curve: which rows train, what is scored, and what is skipped."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from engine.checkpoint import load, save
from engine.encoding.columns import infer
from engine.evaluation import evaluate
from engine.folds.fitting import fitting_for
from engine.goal import GoalSpec
from engine.learning_curve import CurveTrainings
from engine.network import NetworkSpec
from engine.partition import Table
from engine.training import TrainingSpec
from engine.trust.learning_curve import nested_order

NETWORK = NetworkSpec.model_validate(
    {"layers": [{"kind": "dense", "units": 8}, {"kind": "tanh"}, {"kind": "dense"}]}
)
RECIPE = {"epochs": 20, "batch_size": 16, "optimizer": {"kind": "adam", "learning_rate": 0.03}}


def table(rows=300):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3))
    y = np.where(np.sin(2 * x[:, 0]) + x[:, 1] + 0.3 * rng.normal(size=rows) > 0, "yes", "no")
    frame, types, _ = infer(pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}))
    return Table(frame, types)


def curve_of(seconds_left=lambda: float("inf"), data=None, **recipe):
    training = TrainingSpec.model_validate(RECIPE | {"learning_curve": True} | recipe)
    fitting = fitting_for(data or table(), GoalSpec(target="y"), NETWORK, training)
    for _ in fitting.run():
        pass
    before = fitting.weights_sha256()
    trainings = CurveTrainings(fitting, seconds_left)
    for progress in trainings.run():
        assert progress.point is None
    assert fitting.weights_sha256() == before
    return fitting, trainings.curve


def test_points_from_few_rows_to_all_of_them():
    fitting, curve = curve_of()
    rows = fitting.plan.rows.training
    assert [point.share for point in curve.points] == [0.125, 0.25, 0.5, 1.0]
    assert [point.rows for point in curve.points] == [round(rows * share) for share in (0.125, 0.25, 0.5, 1)]
    first, last = curve.points[0].validation["log_loss"], curve.points[-1].validation["log_loss"]
    assert last < first
    model, report = fitting.finished()
    assert last == pytest.approx(report.log_loss, rel=1e-12)  # the last point is the model itself
    frame = fitting.training_rows
    x = model.encoder.encode(frame)
    on_training = evaluate(model.target, model.answers_to(x), model.target.truth(frame, x))
    assert curve.points[-1].training["accuracy"] == pytest.approx(on_training.accuracy)
    assert curve_of()[1] == curve


def test_every_beginning_keeps_the_classes():
    rng = np.random.default_rng(3)
    labels = np.array(["a"] * 800 + ["b"] * 150 + ["c"] * 50)
    order = nested_order(1000, rng, labels)
    assert sorted(order) == list(range(1000))
    for rows in (20, 100, 500):
        counts = {label: int((labels[order[:rows]] == label).sum()) for label in "abc"}
        assert all(
            abs(counts[label] - rows * share) <= 1
            for label, share in zip("abc", (0.8, 0.15, 0.05), strict=True)
        )
    plain = nested_order(1000, np.random.default_rng(3))
    assert abs(plain[:200].mean() - 500) < 60  # drawn from all over


def test_what_there_is_no_time_for_is_skipped():
    left = iter([1e9] * 200 + [-1.0] * 10)  # it runs out in the midst of the third share
    _, curve = curve_of(lambda: next(left))
    assert [point.share for point in curve.points] == [0.125, 0.25, 1.0]
    assert {skipped.reason for skipped in curve.skipped} == {"the job's time limit would be exceeded"}


def test_a_share_of_few_rows():
    _, curve = curve_of(data=table(60), learning_curve=[0.1, 0.5, 1])
    [skipped] = curve.skipped
    assert (skipped.share, skipped.reason) == (0.1, "it has fewer than 10 rows")


@pytest.mark.parametrize("validation", [{"kind": "k_fold", "folds": 3}, {"kind": "fraction"}])
def test_of_several_networks_the_last_is_traced(validation):
    members = {} if validation["kind"] == "k_fold" else {"members": 2}
    fitting, curve = curve_of(validation=validation, learning_curve=[0.5, 1], **members)
    last = fitting.last
    assert [point.rows for point in curve.points] == [
        round(last.training_rows.height / 2),
        last.training_rows.height,
    ]
    figures = fitting.finished()[1].folds[-1].figures
    assert curve.points[-1].validation["accuracy"] == pytest.approx(figures["accuracy"])


def test_the_recipe_says_which_shares():
    assert TrainingSpec.model_validate({"learning_curve": True}).learning_curve == (0.125, 0.25, 0.5, 1.0)
    assert TrainingSpec.model_validate({"learning_curve": False}).learning_curve == ()
    assert TrainingSpec.model_validate({"learning_curve": [1, 0.5, 0.5]}).learning_curve == (0.5, 1.0)
    for wrong in ([0.0], [1.5], [0.1] * 11, "yes", [True, "x"]):
        with pytest.raises(ValidationError):
            TrainingSpec.model_validate({"learning_curve": wrong})
    with pytest.raises(ValidationError, match="needs a validation"):
        TrainingSpec.model_validate({"validation": {"kind": "none"}, "learning_curve": True})


def test_the_plan_counts_the_further_trainings():
    plans = [
        fitting_for(
            table(),
            GoalSpec(target="y"),
            NETWORK,
            TrainingSpec.model_validate(RECIPE | {"learning_curve": curve}),
        ).plan
        for curve in (False, [0.25, 0.5, 1])
    ]
    assert plans[1].estimated_seconds == pytest.approx(1.75 * plans[0].estimated_seconds)
    assert plans[1].memory_bytes == 2 * plans[0].memory_bytes


@pytest.mark.parametrize("members", [1, 3])
def test_after_a_death_at_the_end_all_is_told_again(members, tmp_path):
    """From the checkpoint of a training that is over: the same model, report and curve, and nothing trained twice."""
    training = TrainingSpec.model_validate(RECIPE | {"learning_curve": [0.5, 1], "members": members})

    def finished(checkpoint=None):
        fitting = fitting_for(table(), GoalSpec(target="y"), NETWORK, training)
        points = [progress.point for progress in fitting.run(checkpoint) if progress.point]
        trainings = CurveTrainings(fitting, lambda: float("inf"))
        for _ in trainings.run():
            pass
        model, report = fitting.finished()
        save(tmp_path / "end", fitting.checkpoint())
        return len(points), model.to_bytes(), report, trainings.curve

    first = finished()
    again = finished(load(tmp_path / "end")[0])
    assert (first[0], again[0]) == (20 * members, 0)
    assert again[1:] == first[1:]
