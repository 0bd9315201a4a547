"""Which rows an explanation takes for unseen: those that the training did not learn from, and no others."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.explanations.case import Case
from app.explanations.of_models import permuted, suspects
from app.explanations.requests import REQUESTS
from app.explanations.rows import Rows, rows_of
from app.jobs.assignment import Assignment, Inputs, StoredTable
from app.jobs.planner import fitting_of
from app.storage import Storage
from engine.encoding.columns import infer
from engine.training import TrainingSpec

ABOUT = {"model_id": "mdl_1", "version": 1}


def assignment_in(data: Path, **training) -> tuple[Assignment, pl.DataFrame]:
    """A training on 60 rows, two of them without a target and three of a wrong class."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(60)
    labels = np.where(x > 0, "high", "low").tolist()
    labels[0] = labels[1] = None
    for wrong in (7, 20, 33):
        x[wrong] = 2.0
        labels[wrong] = "low"
    frame, types, _ = infer(pl.DataFrame({"x": x, "noise": rng.standard_normal(60), "label": labels}))
    storage = Storage(data)
    frame.write_ipc(storage.dataset("ds_1"))
    spec = TrainingSpec.model_validate(
        {"epochs": 30, "batch_size": 16, "optimizer": {"kind": "adam", "learning_rate": 0.03}} | training
    )
    goal = {"target": "label"}
    network = {"layers": [{"kind": "dense", "units": 8}, {"kind": "tanh"}, {"kind": "dense"}]}
    assignment = Assignment.model_validate(
        {
            "data": data,
            "inputs": Inputs(table=StoredTable(dataset_id="ds_1", types=types), validation=None),
            "goal": goal,
            "network": network,
            "training": spec,
        }
    )
    return assignment, frame


def trained(assignment: Assignment):
    fitting = fitting_of(assignment)
    for _ in fitting.run():
        pass
    return fitting, fitting.settled(fitting.model)


def asked(rows: Rows, method: str, **question) -> Case:
    request = REQUESTS[method].model_validate({"method": method, **question})
    return Case(rows.model, request, lambda: rows, ABOUT)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    assignment, frame = assignment_in(
        tmp_path_factory.mktemp("data"), validation={"kind": "fraction", "fraction": 0.3}
    )
    fitting, model = trained(assignment)
    return fitting, rows_of(model, frame, assignment)


def test_the_rows_of_the_training_are_told_apart(single) -> None:
    fitting, rows = single
    seen = rows.taken(np.flatnonzero(~rows.held_out))
    assert seen.frame["x"].to_list() == fitting.training_rows["x"].to_list()
    assert rows.trained_on.numbers.tolist() == seen.numbers.tolist()
    [(model, unseen)], words = rows.with_target.unseen
    assert model is rows.model
    assert len(unseen.numbers) == fitting.plan.rows.validation
    assert "was not trained on" in words
    assert not set(unseen.numbers.tolist()) & {0, 1}  # without a target


def test_importance_is_measured_on_unseen_rows(single) -> None:
    fitting, rows = single
    answer = permuted(asked(rows, "permutation_importance", repeats=4))
    assert answer.rows == fitting.plan.rows.validation
    assert answer.importances[0].feature == "x"
    assert answer.importances[0].importance > answer.importances[1].importance + 0.05


def test_wrong_labels_are_found(single) -> None:
    _, rows = single
    answer = suspects(asked(rows, "suspect_labels", count=5))
    told = {item.row for item in answer.items if item.suspect}
    assert {7, 20, 33} <= told
    assert all(item.likely == "high" for item in answer.items if item.row in {7, 20, 33})
    assert {item.out_of_sample for item in answer.items} <= {True, False}


def test_of_folds_the_answers_are_out_of_sample(tmp_path) -> None:
    assignment, frame = assignment_in(tmp_path, validation={"kind": "k_fold", "folds": 3})
    _, model = trained(assignment)
    rows = rows_of(model, frame, assignment)
    answer = suspects(asked(rows, "suspect_labels", count=5))
    assert answer.warnings == []
    assert all(item.out_of_sample for item in answer.items)
    assert {7, 20, 33} <= {item.row for item in answer.items if item.suspect}


def test_each_network_of_folds_is_measured_on_its_own_rows(tmp_path) -> None:
    assignment, frame = assignment_in(tmp_path, validation={"kind": "k_fold", "folds": 3})
    fitting, model = trained(assignment)
    rows = rows_of(model, frame, assignment)
    answer = permuted(asked(rows, "permutation_importance", repeats=3))
    assert answer.rows == 58  # every row with a target, once
    assert "for each network" in answer.rows_from
    folds = fitting.finished()[1].folds
    assert answer.baseline == pytest.approx(
        sum(fold.figures["log_loss"] * fold.rows for fold in folds) / 58, rel=1e-4
    )
    assert answer.importances[0].feature == "x"
    few = asked(rows, "permutation_importance")
    few.question = few.question.model_copy(update={"rows": 12})
    assert permuted(few).rows == 12


def test_rows_that_no_network_has_seen_come_first(tmp_path) -> None:
    """Several networks on one part of the rows each, and a test set: the whole model answers that."""
    assignment, frame = assignment_in(tmp_path, members=2, test={"fraction": 0.2})
    fitting, model = trained(assignment)
    rows = rows_of(model, frame, assignment)
    answer = permuted(asked(rows, "permutation_importance"))
    assert answer.rows == fitting.plan.rows.test
    assert answer.rows_from == "rows that the model was not trained on"
    seen = {number for numbers in fitting.trained_numbers for number in numbers.tolist()}
    assert set(rows.trained_on.numbers.tolist()) == seen
    told = suspects(asked(rows, "suspect_labels", count=60))
    assert {item.row for item in told.items if item.out_of_sample} == {
        *rows.with_target.numbers.tolist()
    }  # by folds, or since no network trained on it


def test_losses_on_the_way_stand_in_for_those_at_the_end(tmp_path) -> None:
    assignment, frame = assignment_in(tmp_path, validation={"kind": "none"}, row_losses=True, epochs=40)
    _, model = trained(assignment)
    rows = rows_of(model, frame, assignment)
    answer = suspects(asked(rows, "suspect_labels", count=6))
    assert {7, 20, 33} <= {item.row for item in answer.items}
    assert answer.warnings == ["rows that were trained on have the mean of their answers after 30 epochs"]
    history, item = rows.history, answer.items[0]
    place = history.rows.tolist().index(item.row)
    assert item.history.epochs == history.epochs.tolist()
    assert item.history.losses == history.losses[:, place].tolist()
    own = history.answers[place, 0] if item.given == "low" else 1 - history.answers[place, 0]
    assert item.loss == pytest.approx(-np.log(own), rel=1e-5)
    [prediction] = model.predict(frame[[item.row]])
    assert item.predicted == prediction["label"]
    elsewhere = rows_of(model, frame, None)  # another data set
    assert suspects(asked(elsewhere, "suspect_labels")).items[0].history is None


def test_rows_after_a_fold_in_time_were_not_trained_on(tmp_path) -> None:
    """Each network trains on what lies before its fold: the rows after it are unseen as well."""
    assignment, frame = assignment_in(
        tmp_path, validation={"kind": "k_fold", "folds": 3, "time": "noise", "stratified": False}
    )
    fitting, model = trained(assignment)
    rows = rows_of(model, frame, assignment)
    for network, fold in zip(rows.untrained, fitting.plan.folds, strict=True):
        seen = frame["noise"].to_numpy()[~network]
        assert len(seen) == fold.training
        assert (
            seen.max()
            < frame.filter(pl.col("label").is_not_null())["noise"]
            .to_numpy()[network[frame["label"].is_not_null().to_numpy()]]
            .min()
        )
