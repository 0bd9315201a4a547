"""What a training keeps of its rows: the figures themselves, how many, and what they are good for."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from engine import row_losses
from engine.encoding.columns import infer
from engine.explaining.losses import row_losses as losses_of
from engine.fitting import Fitting, Table
from engine.folds.fitting import fitting_for
from engine.goal import GoalSpec
from engine.layers.flatten import FlattenSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.row_losses import RowHistory
from engine.training import TrainingSpec

NETWORK = NetworkSpec.model_validate(
    {
        "layers": [
            {"kind": "dense", "units": 64},
            {"kind": "relu"},
            {"kind": "dropout", "rate": 0.1},
            {"kind": "dense"},
        ]
    }
)
RECIPE = {"epochs": 6, "batch_size": 16, "early_stopping": None, "row_losses": True}


def table(rows=200, classes="abc", wrong=()):
    """Points around a center for each class; the labels of the `wrong` rows are others."""
    rng = np.random.default_rng(0)
    kinds = np.arange(rows) % len(classes)
    centers = rng.normal(size=(len(classes), 4)) * 4
    x = centers[kinds] + rng.normal(size=(rows, 4))
    kinds[list(wrong)] = (kinds[list(wrong)] + 1) % len(classes)
    columns = {f"x{i}": x[:, i] for i in range(4)}
    labels = [None if i == 5 else classes[kind] for i, kind in enumerate(kinds)]
    frame, types, _ = infer(pl.DataFrame({**columns, "y": labels, "n": x @ [1.0, 2, 0, -1] + kinds}))
    return Table(frame, types)


def trained(data, target="y", **recipe):
    features = tuple(f"x{i}" for i in range(4))
    goal = GoalSpec(target=target, features=features)
    fitting = Fitting(data, goal, NETWORK, TrainingSpec.model_validate(RECIPE | recipe))
    models = [fitting.model for progress in fitting.run() if progress.point]
    return fitting, models


@pytest.mark.parametrize("target", ["y", "n", ("y", "n"), None])
def test_every_loss_is_the_models_after_that_epoch(target):
    data = table()
    if isinstance(target, tuple):
        data = Table(data.frame.with_columns(y=pl.col("n") * 2), data.types | {"y": "numeric"})
    fitting, models = trained(data, target)
    history = RowHistory.of(Model.from_bytes(fitting.model.to_bytes()).further)
    assert history.epochs.tolist() == [1, 2, 3, 4, 5, 6]
    assert history.looks == 6
    frame = data.frame[history.rows]
    assert frame["x0"].to_list() == fitting.training_rows["x0"].to_list()
    x = fitting.encoder.encode(frame)
    answers = [model.answers_to(x) for model in models]
    truth = fitting.target.truth(frame, x)
    for place, given in enumerate(answers):
        np.testing.assert_allclose(
            history.losses[place], losses_of(fitting.target, given, truth), rtol=2e-4, atol=1e-5
        )
    np.testing.assert_allclose(history.answers, np.mean(answers, axis=0), rtol=2e-4, atol=1e-5)


def test_it_changes_no_bit_of_the_training():
    with_it, without = trained(table())[0], trained(table(), row_losses=False)[0]
    assert with_it.weights_sha256() == without.weights_sha256()
    assert without.model.further == {}


def test_long_trainings_and_large_tables_keep_as_much(monkeypatch):
    monkeypatch.setattr(row_losses, "MOST_EPOCHS", 4)
    monkeypatch.setattr(row_losses, "MOST_ROWS", 50)
    fitting, _ = trained(table(), epochs=23)
    history = RowHistory.of(fitting.model.further)
    assert history.epochs.tolist() == [8, 16]  # 1-4, then every second, fourth, eighth
    assert history.looks == 8  # 1 2 3 4, 6 8, 12 16; 24 is not reached
    assert len(history.rows) == 40
    assert history.losses.shape == (2, 40)


@pytest.mark.slow
def test_labels_learned_by_heart_are_seen_on_the_way():
    wrong = range(0, 400, 16)
    fitting, models = trained(
        table(400, wrong=wrong),
        epochs=400,
        batch_size=32,
        optimizer={"kind": "adam", "learning_rate": 0.01},
        validation={"kind": "none"},
    )
    model = models[-1]
    history = RowHistory.of(fitting.model.further)
    x = fitting.encoder.encode(fitting.training_rows)
    truth = fitting.target.truth(fitting.training_rows, x)
    is_wrong = np.isin(history.rows, wrong)

    def found(answers):
        """Of the wrong rows, those among as many with the highest loss."""
        order = np.argsort(-losses_of(fitting.target, answers, truth))
        return is_wrong[order[: is_wrong.sum()]].mean()

    at_the_end, on_the_way = found(model.answers_to(x)), found(history.answers.astype(float))
    assert on_the_way >= 0.9
    assert on_the_way >= at_the_end + 0.2


def test_of_several_networks_it_makes_no_sense():
    for recipe in ({"members": 2}, {"validation": {"kind": "k_fold", "folds": 3}}):
        with pytest.raises(ValidationError, match="several networks answer"):
            TrainingSpec.model_validate({"row_losses": True, **recipe})


def test_a_file_with_other_tensors_is_no_history():
    fitting, _ = trained(table(60), epochs=1)
    tensors = dict(fitting.model.further)
    assert RowHistory.of(tensors) is not None
    for name, value in (
        ("row_losses.rows", tensors["row_losses.rows"][:-1]),
        ("row_losses.losses", tensors["row_losses.losses"].T),
        ("row_losses.epochs", tensors["row_losses.epochs"].astype(np.float32)),
        ("row_losses.answers", None),
    ):
        assert RowHistory.of(tensors | {name: value}) is None


def test_rows_of_several_series_are_told_by_their_numbers():
    """Windows follow each other series by series, the rows of the table in another order."""
    rng = np.random.default_rng(1)
    frame = pl.DataFrame(
        {"day": np.repeat(np.arange(60), 2), "of": ["u", "v"] * 60, "v": rng.normal(size=120).cumsum()}
    )
    typed, types, _ = infer(frame)
    goal = GoalSpec.model_validate({"target": "v", "series": {"time": "day", "window": 4, "group": "of"}})
    training = TrainingSpec.model_validate(RECIPE | {"epochs": 1})
    network = NetworkSpec(layers=(FlattenSpec(), *NETWORK.layers))
    fitting = fitting_for(Table(typed, types), goal, network, training)
    for _ in fitting.run():
        pass
    history = RowHistory.of(fitting.model.further)
    assert (np.diff(history.rows) > 0).all()
    assert history.rows.tolist() == sorted(fitting.trained_numbers[0].tolist())
