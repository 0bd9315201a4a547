"""Ordered classes, counts, and anomalies by an autoencoder, from a table to answers, against scikit-learn."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_poisson_deviance

from engine.encoding.columns import infer
from engine.encoding.target import ClassTarget, FeaturePart, ReconstructionTarget, RegressionTarget
from engine.evaluation import CountEvaluation, OrdinalEvaluation, evaluate
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.losses import MseSpec, TweedieSpec
from engine.metrics import OrdinalAccuracy
from engine.model import Model
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.templates import MlpSpec
from engine.training import NoValidation, TrainingSpec

SIZES = ("small", "medium", "large", "huge")
TABLE_ROWS = 240


def table_of(data: dict[str, object]) -> Table:
    frame, types, _ = infer(pl.DataFrame(data))
    return Table(frame, types)


@pytest.fixture(scope="module")
def table() -> Table:
    """Sizes, grades and counts that all grow with x."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, TABLE_ROWS)
    rank = np.clip(np.floor(x + 2 + rng.normal(0, 0.2, TABLE_ROWS)), 0, 3).astype(int)
    return table_of(
        {
            "x": x,
            "noise": rng.normal(size=TABLE_ROWS),
            "size": [SIZES[i] for i in rank],
            "grade": rank * 10,
            "count": rng.poisson(np.exp(x)),
        }
    )


def trained(table: Table, goal: GoalSpec, **recipe: object) -> tuple[Fitting, Model]:
    training = TrainingSpec(epochs=40, **recipe)
    fitting = Fitting(table, goal, MlpSpec(hidden=(16,)).build(), training)
    for _ in fitting.run():
        pass
    return fitting, fitting.settled(fitting.model)


@pytest.fixture(scope="module")
def ordinal(table: Table) -> tuple[Fitting, Model]:
    return trained(table, GoalSpec(target="size", features=("x", "noise"), target_order=SIZES))


def test_ordered_classes_are_learned_in_their_order(ordinal: tuple[Fitting, Model], table: Table) -> None:
    fitting, model = ordinal
    plan = fitting.plan
    assert (plan.task, plan.task_reason) == ("ordinal", "the order of the classes is given")
    assert (plan.outputs, plan.classes) == (3, list(SIZES))
    assert sum(plan.class_counts.values()) == plan.rows.training
    assert any("ordered_logits" in note for note in plan.notes)
    report = fitting.evaluate(model)
    assert isinstance(report, OrdinalEvaluation)
    assert report.accuracy > 0.7
    assert report.quadratic_kappa > 0.85
    answer = model.predict(table.frame.head(1))[0]
    assert list(answer["probabilities"]) == list(SIZES)


def test_probabilities_of_ordered_classes_never_contradict_each_other(
    ordinal: tuple[Fitting, Model],
) -> None:
    _, model = ordinal
    probabilities = model.answers_to(
        np.random.default_rng(1).normal(0, 5, (500, model.encoder.width)).astype(np.float32)
    )
    assert probabilities.shape == (500, 4)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)


def test_an_ordinal_model_is_kept_and_trained_further(ordinal: tuple[Fitting, Model], table: Table) -> None:
    fitting, model = ordinal
    again = Model.from_bytes(model.to_bytes())
    assert again.predict(table.frame) == model.predict(table.frame)
    goal = GoalSpec(target="size", features=("x", "noise"), target_order=SIZES)
    further = Fitting(table, goal, None, TrainingSpec(epochs=1), start=model)
    assert further.network_spec == fitting.network_spec


def test_numbers_are_in_their_own_order_and_text_has_none(table: Table) -> None:
    fitting = Fitting(table, GoalSpec(target="grade", features=("x",), task="ordinal"))
    assert fitting.plan.classes == ["0", "10", "20", "30"]
    for goal, detail in (
        ({"target": "size", "task": "ordinal"}, "have no order of their own"),
        ({"target": "size", "target_order": SIZES[:3]}, "'size' also holds 'huge'"),
        ({"target": "size", "target_order": (*SIZES, "small")}, "a class is named twice"),
        ({"target": "grade", "target_order": ("0", "10", "20", "30")}, "'grade' also holds"),
        (
            {"target": "size", "target_order": SIZES, "task": "multiclass"},
            "multiclass knows no order of classes",
        ),
    ):
        with pytest.raises(InvalidSpec, match=detail) as error:
            Fitting(table, GoalSpec(features=("x",), **goal))
        assert error.value.path == ("target_order",)


def test_a_class_that_no_row_has_may_be_in_the_order(table: Table) -> None:
    goal = GoalSpec(target="size", features=("x",), target_order=(*SIZES, "gigantic"))
    plan = Fitting(table, goal).plan
    assert plan.outputs == 4
    assert plan.class_counts["gigantic"] == 0


def test_two_ordered_classes(table: Table) -> None:
    target = ClassTarget(kind="ordinal", name="y", classes=(1, 2))
    frame = pl.DataFrame({"y": [2, 1]})
    assert target.encode(frame, np.empty((2, 0))).tolist() == [[1], [0]]
    assert target.truth(frame, np.empty((2, 0))).tolist() == [[0, 1], [1, 0]]
    answers = target.answers(np.array([[0.75], [0.25]]))
    assert answers.tolist() == [[0.25, 0.75], [0.75, 0.25]]
    assert [row["label"] for row in target.decode(answers, np.empty((2, 0)))] == [2, 1]


def test_the_label_of_ordered_classes_is_the_median() -> None:
    """0.4 | 0.25 | 0.35: the most probable class is the lowest, the middle one is nearest to all."""
    target = ClassTarget(kind="ordinal", name="y", classes=("a", "b", "c"))
    answers = target.answers(np.array([[0.6, 0.35]]))
    np.testing.assert_allclose(answers, [[0.4, 0.25, 0.35]])
    assert target.decode(answers, np.empty((1, 0)))[0]["label"] == "b"


def test_the_report_of_ordered_classes_is_scikit_learn_s() -> None:
    rng = np.random.default_rng(2)
    target = ClassTarget(kind="ordinal", name="y", classes=(1, 2, 3, 4, 5))
    p = rng.dirichlet(np.ones(5), 300)
    truth = rng.integers(0, 5, 300)
    report = evaluate(target, p, np.eye(5)[truth])
    predicted = target.winners(p)
    assert report.accuracy == pytest.approx(accuracy_score(truth, predicted))
    kappa = cohen_kappa_score(truth, predicted, weights="quadratic")
    assert report.quadratic_kappa == pytest.approx(kappa, abs=1e-12)
    assert report.mean_absolute_rank_error == pytest.approx(np.abs(truth - predicted).mean())
    assert evaluate(target, np.eye(5)[[1, 1]], np.eye(5)[[1, 1]]).quadratic_kappa is None


def test_the_metric_of_ordered_classes_is_the_report_s(ordinal: tuple[Fitting, Model], table: Table) -> None:
    _, model = ordinal
    x = model.encoder.encode(table.frame)
    above = 1 - np.cumsum(model.answers_to(x), axis=1)[:, :-1]
    metric = OrdinalAccuracy(3, threshold=0.5, batch=len(x), dtype=np.float64)
    metric.update(above, model.target.encode(table.frame, x).astype(np.float64), None)
    report = evaluate(model.target, model.answers_to(x), model.target.truth(table.frame, x))
    assert metric.result() == {
        "accuracy": pytest.approx(report.accuracy),
        "mean_absolute_rank_error": pytest.approx(report.mean_absolute_rank_error),
    }


def test_counts_are_learned_by_their_deviance(table: Table) -> None:
    fitting, model = trained(table, GoalSpec(target="count", features=("x", "noise"), task="count"))
    assert (fitting.plan.task, fitting.plan.loss) == ("count", "poisson")
    report = fitting.evaluate(model)
    assert isinstance(report, CountEvaluation)
    answers, counts = model.answers(table.frame), table.frame["count"].to_numpy()
    assert answers.min() > 0
    constant = mean_poisson_deviance(counts, np.full(TABLE_ROWS, counts.mean()))
    assert report.mean_poisson_deviance < 0.7 * constant
    assert list(model.predict(table.frame.head(1))[0]) == ["value"]


def test_the_report_of_counts_is_scikit_learn_s() -> None:
    rng = np.random.default_rng(3)
    truth, answers = rng.poisson(2, (50, 1)).astype(float), rng.gamma(2, 1, (50, 1))
    report = evaluate(RegressionTarget(kind="count", names=("n",), means=(0.0,), stds=(1.0,)), answers, truth)
    assert report.mean_poisson_deviance == pytest.approx(mean_poisson_deviance(truth[:, 0], answers[:, 0]))
    assert report.rmse == pytest.approx(np.sqrt(np.square(truth - answers).mean()))


def test_what_is_no_count_is_refused_and_what_may_be_one_is_noted(table: Table) -> None:
    with pytest.raises(InvalidSpec, match="'x' holds numbers with fractions"):
        Fitting(table, GoalSpec(target="x", task="count"))
    with pytest.raises(InvalidSpec, match="counts are not negative, but 'n' is in 2 rows"):
        Fitting(table_of({"n": [-1, -2, *range(10)], "x": range(12)}), GoalSpec(target="n", task="count"))
    with pytest.raises(InvalidSpec, match="mse is not a loss for count"):
        Fitting(table, GoalSpec(target="count", task="count"), training=TrainingSpec(loss=MseSpec()))
    tweedie = TrainingSpec(loss=TweedieSpec())
    with pytest.raises(InvalidSpec, match="tweedie is not a loss for count"):
        Fitting(table, GoalSpec(target="count", task="count"), training=tweedie)
    many = table_of({"n": range(40), "x": np.arange(40.0) / 3})
    assert any("count" in note for note in Fitting(many, GoalSpec(target="n")).plan.notes)
    asked = GoalSpec(target="n", task="regression")
    assert not any("count" in note for note in Fitting(many, asked).plan.notes)


@pytest.fixture(scope="module")
def autoencoder() -> tuple[Fitting, Model, Table]:
    """Two columns that go together, a third on its own, a category."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=400)
    table = table_of({"a": a, "b": 2 * a, "c": rng.normal(size=400), "d": rng.choice(["u", "v"], 400)})
    network = NetworkSpec.model_validate(
        {"layers": [{"kind": "dense", "units": 4}, {"kind": "tanh"}, {"kind": "dense"}]}
    )
    fitting = Fitting(table, GoalSpec(anomaly_quantile=0.95), network, TrainingSpec(epochs=30))
    for _ in fitting.run():
        pass
    return fitting, fitting.settled(fitting.model), table


def test_an_autoencoder_knows_what_errors_are_usual(autoencoder: tuple[Fitting, Model, Table]) -> None:
    _, model, table = autoencoder
    model = Model.from_bytes(model.to_bytes())
    target = model.target
    assert len(target.error_quantiles) == 80  # validation rows
    assert target.error_quantiles == tuple(sorted(target.error_quantiles))
    assert target.error_quantiles[0] < target.threshold < target.error_quantiles[-1]
    usual = model.predict(table.frame)
    assert 0.01 < np.mean([row["anomaly"] for row in usual]) < 0.1
    (odd,) = model.predict(pl.DataFrame({"a": [2.0], "b": [-8.0], "c": [0.0], "d": ["u"]}))
    assert odd["anomaly"] is True
    assert odd["anomaly_score"] == 1
    assert next(iter(odd["contributions"])) in {"a", "b"}
    for row in (*usual[:5], odd):
        assert sum(row["contributions"].values()) == pytest.approx(row["reconstruction_error"])


def test_the_score_is_the_share_of_smaller_errors() -> None:
    x = np.zeros((5, 3))
    errors = np.sqrt([0.0, 1.0, 2.0, 3.0, 4.0])[:, np.newaxis] * np.ones(3)
    parts = (FeaturePart(name="p", width=1), FeaturePart(name="q", width=2))
    target = ReconstructionTarget(width=3, features=parts, anomaly_quantile=0.5).knowing(errors, x)
    assert target.threshold == pytest.approx(2)
    rows = target.decode(np.array([[3.0, 0, 0], [0, 3, 3], [0, 0, 0]]), np.zeros((3, 3)))
    assert [row["reconstruction_error"] for row in rows] == [3, 6, 0]
    assert [row["anomaly_score"] for row in rows] == pytest.approx([0.75, 1, 0])
    assert [row["anomaly"] for row in rows] == [True, True, False]
    assert rows[0]["contributions"] == {"p": 3, "q": 0}
    assert rows[1]["contributions"] == {"q": 6, "p": 0}


def test_without_known_errors_there_is_no_score() -> None:
    (row,) = ReconstructionTarget(width=2).decode(np.ones((1, 2)), np.zeros((1, 2)))
    assert row == {"reconstruction_error": 1.0}


def test_without_validation_the_training_rows_tell(autoencoder: tuple[Fitting, Model, Table]) -> None:
    _, _, table = autoencoder
    fitting = Fitting(
        table, GoalSpec(), MlpSpec(hidden=(2,)).build(), TrainingSpec(epochs=1, validation=NoValidation())
    )
    for _ in fitting.run():
        pass
    assert fitting.settled(fitting.model).target.threshold is not None
