"""Several networks from one recipe: their rows, their bits, their mean, and where they go on."""

import tracemalloc

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from engine.checkpoint import CheckpointMismatch, load, save
from engine.ensemble import Ensemble, load_model
from engine.fitting import Fitting, Table
from engine.folds.fitting import EnsembleFitting, fitting_for
from engine.folds.out_of_fold import Kept
from engine.goal import GoalSpec
from engine.layers.dense import DenseSpec
from engine.losses import LogLossSpec
from engine.model import Model
from engine.model_file import UnreadableModel
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.templates import MlpSpec
from engine.training import (
    Changes,
    DatasetValidation,
    Diverged,
    FractionValidation,
    KFoldValidation,
    NoValidation,
    TrainingSpec,
)

RNG = np.random.default_rng(0)
ROWS = 60
X = RNG.standard_normal((ROWS, 2))
FRAME = pl.DataFrame(
    {
        "a": X[:, 0],
        "b": X[:, 1],
        "word": RNG.choice(["u", "v", "w"], ROWS),
        "person": np.repeat([f"p{i}" for i in range(12)], 5),
        "day": RNG.permutation(ROWS),
        "label": np.where(X[:, 0] + X[:, 1] > 0, "yes", "no"),
        "size": X[:, 0] * 3 + X[:, 1],
    }
)
TYPES = {
    "a": "numeric",
    "b": "numeric",
    "word": "categorical",
    "person": "categorical",
    "day": "numeric",
    "label": "categorical",
    "size": "numeric",
}
TABLE = Table(FRAME, TYPES)
CLASSES = GoalSpec(target="label", features=("a", "b", "word"))
NUMBERS = GoalSpec(target="size", features=("a", "b", "word"))
NETWORK = MlpSpec(hidden=(4,)).build()
RECIPE = TrainingSpec(epochs=3, members=3, seed=4, baselines="none")


def fitting(goal=CLASSES, recipe=RECIPE, **more):
    return fitting_for(TABLE, goal, NETWORK, recipe, **more)


def trained(goal=CLASSES, recipe=RECIPE, **more):
    made = fitting(goal, recipe, **more)
    points = [progress.point for progress in made.run() if progress.point]
    return made, points


@pytest.fixture(scope="module")
def three():
    made, points = trained()
    model, report = made.finished()
    return made, points, model, report


def test_members_validate_on_as_many_folds():
    made = fitting()
    assert isinstance(made, EnsembleFitting)
    assert made.training.validation == KFoldValidation(folds=3)
    assert [(each.fold, each.training, each.validation) for each in made.plan.folds] == [
        (1, 40, 20),
        (2, 40, 20),
        (3, 40, 20),
    ]
    assert made.plan.rows.total == ROWS
    assert made.plan.notes[-3].startswith("3 networks are trained")


def test_the_plan_counts_all_networks():
    one = fitting(recipe=TrainingSpec(epochs=3, seed=4))
    made = fitting()
    assert made.plan.estimated_seconds == pytest.approx(
        sum(Fitting(TABLE, CLASSES, NETWORK, RECIPE, member=i).plan.estimated_seconds for i in range(3))
    )
    assert made.plan.memory_bytes > one.plan.memory_bytes


def test_points_count_on_and_name_their_network(three):
    _, points, _, _ = three
    assert [point.epoch for point in points] == list(range(1, 10))
    assert [(point.fold, point.fold_epoch) for point in points] == [
        (fold, epoch) for fold in (1, 2, 3) for epoch in (1, 2, 3)
    ]
    steps = [point.step for point in points]
    assert steps == [points[0].step * i for i in range(1, 10)]
    assert [point.seconds for point in points] == sorted(point.seconds for point in points)


def test_the_ensemble_is_the_mean_of_its_networks_alone_or_among_others(three):
    _, _, model, _ = three
    answers = [member.answers(FRAME) for member in model.members]
    mean = (answers[0] + answers[1] + answers[2]) / 3
    assert model.answers(FRAME).tobytes() == mean.tobytes()
    alone = np.concatenate([model.answers(FRAME[i : i + 1]) for i in range(ROWS)])
    assert alone.tobytes() == mean.tobytes()
    assert len({answer.tobytes() for answer in answers}) == 3


def test_each_network_is_a_training_on_its_own_rows(three):
    made, _, model, _ = three
    for number, member in enumerate(model.members):
        own = Fitting(TABLE, CLASSES, NETWORK, made.training, member=number)
        list(own.run())
        assert own.model.theta.tobytes() == member.theta.tobytes()
        validating = set(own.validating.tolist())
        assert own.training_rows.equals(FRAME[[i for i in range(ROWS) if i not in validating]])


def test_out_of_fold_answers_are_of_the_network_that_did_not_see_the_row(three):
    made, _, model, report = three
    held_out = made.out_of_fold(model)
    assert held_out.rows.tolist() == list(range(ROWS))
    folds = [Fitting(TABLE, CLASSES, NETWORK, made.training, member=i).validating for i in range(3)]
    for number, rows in enumerate(folds):
        own = model.members[number].answers(FRAME[rows])
        assert held_out.answers[rows].tobytes() == own.tobytes()
        assert (held_out.first[rows] == number).all()
    p = held_out.answers[:, 0]
    truth = (FRAME["label"] == "yes").to_numpy()
    assert report.of == "out_of_fold"
    assert report.rows == ROWS
    assert report.accuracy == pytest.approx(((p > 0.5) == truth).mean())
    accuracies = [((p[rows] > 0.5) == truth[rows]).mean() for rows in folds]
    assert [fold.figures["accuracy"] for fold in report.folds] == pytest.approx(accuracies)
    assert report.spread["accuracy"].mean == pytest.approx(np.mean(accuracies))
    assert report.spread["accuracy"].std == pytest.approx(np.std(accuracies, ddof=1))


def test_networks_that_are_not_sure_enough_are_made_surer_together():
    """By their answers to rows that they have not seen; so are the report's figures."""
    recipe = RECIPE.model_copy(update={"loss": LogLossSpec(label_smoothing=0.4), "epochs": 60})
    made, _ = trained(recipe=recipe)
    model, report = made.finished()
    assert report.temperature.temperature == model.assurance.temperature < 0.8
    held_out, truth = made.out_of_fold(model), (FRAME["label"] == "yes").to_numpy()
    z = np.log(held_out.answers[:, 0] / (1 - held_out.answers[:, 0])) / model.assurance.temperature
    assert report.log_loss == pytest.approx(metrics.log_loss(truth, 1 / (1 + np.exp(-z))), rel=1e-6)
    assert report.log_loss < report.temperature.log_loss_before


def test_a_row_that_was_learned_by_heart_is_not_known_to_its_own_network():
    """Labels are noise: a network knows those that it has seen, and guesses the others."""
    frame = FRAME.with_columns(label=pl.Series(np.random.default_rng(3).choice(["no", "yes"], ROWS)))
    recipe = TrainingSpec(
        epochs=150,
        batch_size=10,
        validation=KFoldValidation(folds=2),
        early_stopping=None,
        optimizer={"kind": "adam", "learning_rate": 0.01},
    )
    made = fitting_for(Table(frame, TYPES), CLASSES, MlpSpec(hidden=(64, 64)).build(), recipe)
    list(made.run())
    model, report = made.finished()
    truth = (frame["label"] == "yes").to_numpy()
    first, second = ((member.answers(frame)[:, 0] > 0.5) == truth for member in model.members)
    held_out = made.out_of_fold(model)
    assert first[held_out.first == 1].mean() > 0.95
    assert second[held_out.first == 0].mean() > 0.95
    assert report.accuracy < 0.7


def test_same_seed_same_bits_and_another_seed_other_ones(three):
    made, _, model, _ = three
    again, _ = trained()
    other, _ = trained(recipe=RECIPE.model_copy(update={"seed": 5}))
    assert again.weights_sha256() == made.weights_sha256() != other.weights_sha256()
    assert again.finished()[0].to_bytes() == model.to_bytes()


def test_a_resume_inside_the_second_network_is_equal_bit_for_bit(three, tmp_path):
    undisturbed, points, _, _ = three
    made = fitting()
    for progress in made.run():
        if progress.step == points[3].step + 1:  # the first batch of the fifth epoch
            break
    path = tmp_path / "state"
    save(path, made.checkpoint())
    checkpoint, _ = load(path)
    assert (checkpoint.facts["epochs_done"], checkpoint.facts["step"]) == (4, points[3].step + 1)
    resumed = fitting()
    rest = [progress.point for progress in resumed.run(checkpoint) if progress.point]
    assert [point._replace(seconds=0) for point in rest] == [
        point._replace(seconds=0) for point in points[4:]
    ]
    assert resumed.weights_sha256() == undisturbed.weights_sha256()
    assert resumed.best_epoch == undisturbed.best_epoch


def test_a_checkpoint_of_a_single_network_is_not_taken():
    one = fitting(recipe=TrainingSpec(epochs=3, seed=4))
    next(one.run())
    with pytest.raises(CheckpointMismatch, match="single network"):
        next(fitting().run(one.checkpoint()))


def test_the_file(three):
    _, _, model, _ = three
    data = model.to_bytes({"job_id": "j"})
    read = load_model(data)
    assert isinstance(read, Ensemble)
    assert read.answers(FRAME).tobytes() == model.answers(FRAME).tobytes()
    assert read.to_bytes({"job_id": "j"}) == data
    kept = Kept.of(read.further)
    assert kept.row.tolist() == list(range(ROWS))
    assert isinstance(load_model(model.members[0].to_bytes()), Model)
    for wrong in (b"", data[:100], model.members[0].to_bytes()):
        with pytest.raises(UnreadableModel):
            Ensemble.from_bytes(wrong)
    with pytest.raises(UnreadableModel):
        Model.from_bytes(data)


def test_rows_are_numbered_as_in_the_table():
    frame = FRAME.with_columns(label=pl.when(pl.int_range(ROWS) % 10 > 0).then("label"))
    recipe = RECIPE.model_copy(update={"epochs": 1})
    made = fitting_for(Table(frame, TYPES), CLASSES, NETWORK, recipe)
    list(made.run())
    assert Kept.of(made.model.further).row.tolist() == [i for i in range(ROWS) if i % 10]


def test_no_group_is_on_both_sides_and_the_group_is_no_feature():
    goal = GoalSpec(target="label")
    recipe = TrainingSpec(epochs=1, validation=KFoldValidation(folds=4, group="person"))
    made = fitting_for(TABLE, goal, NETWORK, recipe)
    assert "person" not in made.plan.features
    for number in range(4):
        own = Fitting(TABLE, goal, NETWORK, recipe, member=number)
        people = FRAME["person"][own.validating]
        assert not set(people) & set(own.training_rows["person"])
    named = GoalSpec(target="label", features=("a", "person"))
    assert "person" in fitting_for(TABLE, named, NETWORK, recipe).plan.features


def test_training_rows_lie_before_those_that_validate():
    recipe = TrainingSpec(epochs=1, validation=KFoldValidation(folds=3, time="day"), baselines="none")
    made, _ = trained(NUMBERS, recipe)
    assert [each.training for each in made.plan.folds] == [15, 30, 45]
    assert made.plan.rows.total == ROWS
    _, report = made.finished()
    assert report.rows == 45
    last = Fitting(TABLE, NUMBERS, NETWORK, TrainingSpec(validation=FractionValidation(time="day")))
    assert sorted(FRAME["day"][last.validating]) == list(range(48, 60))


def test_repeats_average_over_the_networks_that_did_not_see_the_row():
    recipe = TrainingSpec(epochs=1, validation=KFoldValidation(folds=2, repeats=2), baselines="none")
    made, _ = trained(NUMBERS, recipe)
    model, report = made.finished()
    held_out = made.out_of_fold(model)
    assert made.training.members == 4
    assert (held_out.networks == 2).all()
    folds = [Fitting(TABLE, NUMBERS, NETWORK, made.training, member=i).validating for i in range(4)]
    assert folds[0].tolist() != folds[2].tolist()
    seen = [i for i, rows in enumerate(folds) if 0 in rows]
    expected = sum(model.members[i].answers(FRAME[:1]) for i in seen) / 2
    assert held_out.answers[0].tobytes() == expected[0].tobytes()
    assert len(report.folds) == 4


def test_members_with_a_given_validation_have_seeds_and_rows_of_their_own():
    recipe = TrainingSpec(epochs=1, members=3, validation=FractionValidation(fraction=0.3), baselines="none")
    made, _ = trained(NUMBERS, recipe)
    model, report = made.finished()
    splits = {tuple(Fitting(TABLE, NUMBERS, NETWORK, recipe, member=i).validating) for i in range(3)}
    assert len(splits) == 3
    assert report.rows == len(set().union(*splits))
    assert len({member.theta.tobytes() for member in model.members}) == 3


def test_members_on_another_data_set_and_on_none():
    recipe = TrainingSpec(
        epochs=1, members=2, validation=DatasetValidation(dataset_id="ds_other"), baselines="none"
    )
    made, _ = trained(NUMBERS, recipe, validation=Table(FRAME[:20], TYPES))
    model, report = made.finished()
    assert (report.of, report.rows, len(report.folds)) == ("validation", 20, 2)
    residuals = FRAME["size"][:20].to_numpy() - model.answers(FRAME[:20])[:, 0]
    assert report.rmse == pytest.approx(np.sqrt(np.square(residuals).mean()))
    assert model.further == {}
    blind, _ = trained(NUMBERS, TrainingSpec(epochs=1, members=2, validation=NoValidation()))
    assert blind.finished()[1] is None


def test_test_rows_are_the_same_for_all_networks():
    recipe = TrainingSpec(epochs=1, members=3, test={"fraction": 0.2}, baselines="none")
    made, _ = trained(recipe=recipe)
    _, report = made.finished()
    assert (report.rows, report.test.rows) == (48, 12)
    kept = {tuple(Fitting(TABLE, CLASSES, NETWORK, recipe, member=i).row_numbers) for i in range(3)}
    assert len(kept) == 1


def test_an_autoencoder_s_networks_reconstruct_the_same_columns():
    made, _ = trained(GoalSpec(features=("a", "b", "word")), RECIPE.model_copy(update={"epochs": 1}))
    model, report = made.finished()
    assert report.rows == ROWS
    assert model.predict(FRAME[:1])[0]["anomaly_score"] >= 0
    assert model.further == {}


def test_what_the_last_network_alone_was_tried_on_is_told():
    recipe = TrainingSpec(epochs=1, members=3, calibration={"fraction": 0.2}, test={"fraction": 0.2})
    made, _ = trained(recipe=recipe)
    _, report = made.finished()
    assert report.baselines.summary[0] == (
        "simpler models stand beside the last of the 3 networks, on the 12 rows that it is validated on"
    )
    assert report.conformal.observed == []  # these answers are not those that the sets are made for
    assert report.test.conformal.observed


@pytest.mark.parametrize(
    "task", ["binary", "multiclass", "multilabel", "ordinal", "regression", "count"], ids=str
)
def test_every_task_has_an_ensemble(task):
    frame = FRAME.with_columns(
        grade=pl.Series(np.digitize(X[:, 0], [-0.7, 0, 0.7])),
        one=pl.Series((X[:, 0] > 0).astype(int)),
        other=pl.Series((X[:, 1] > 0).astype(int)),
    )
    table = Table(frame, TYPES | {"grade": "numeric", "one": "numeric", "other": "numeric"})
    target = {"binary": "label", "multiclass": "word", "multilabel": ("one", "other"), "regression": "size"}
    goal = GoalSpec(target=target.get(task, "grade"), task=task, features=("a", "b"))
    made = fitting_for(table, goal, None, RECIPE)
    for _ in made.run():
        pass
    model, report = made.finished()
    assert report.rows == ROWS
    answers = model.answers_to(model.encoder.encode(frame))
    alone = [member.plain_answers_to(model.encoder.encode(frame)) for member in model.members]
    assert answers.shape == alone[0].shape
    if task in {"regression", "count"}:
        np.testing.assert_allclose(answers, np.mean(alone, axis=0), rtol=1e-12)


REFUSED = {
    "more folds than rows": (KFoldValidation(folds=61), (), "60 rows"),
    "more folds than groups": (KFoldValidation(folds=13, group="person"), (), "12 groups"),
    "no column": (KFoldValidation(group="colour"), ("group",), "no column 'colour'"),
    "no times": (FractionValidation(time="word"), ("time",), "'word' is categorical"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_parted_is_refused(name):
    validation, field, words = REFUSED[name]
    with pytest.raises(InvalidSpec, match=words) as refused:
        fitting(recipe=TrainingSpec(validation=validation))
    assert refused.value.path == ("training", "validation", *field)


def test_networks_that_are_compared_train_alike():
    with pytest.raises(InvalidSpec, match="cannot be changed"):
        fitting().change(Changes(epochs=5))


def test_divergence_names_the_network_and_the_step():
    recipe = TrainingSpec(
        epochs=50,
        validation=KFoldValidation(folds=2),
        optimizer={"kind": "sgd", "learning_rate": 1000},
        early_stopping=None,
    )
    made = fitting_for(TABLE, NUMBERS, NetworkSpec(layers=(DenseSpec(),)), recipe)
    with pytest.raises(Diverged, match="of network 1"):
        list(made.run())


def test_the_plan_s_memory_holds_all_that_the_networks_need():
    layers = (DenseSpec(units=700), DenseSpec(units=700), DenseSpec())
    recipe = TrainingSpec(epochs=1, batch_size=20, members=3, baselines="none")
    made = fitting_for(TABLE, NUMBERS, NetworkSpec(layers=layers), recipe)
    tracemalloc.start()
    try:
        list(made.run())
        model, _ = made.finished()
        model.to_bytes()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.6 * made.plan.memory_bytes <= peak <= 1.15 * made.plan.memory_bytes
