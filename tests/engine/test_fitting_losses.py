"""Every loss through the whole way from a table to a model: it trains, and its answers are what it asks for."""

import numpy as np
import polars as pl
import pytest

from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.dense import DenseSpec
from engine.losses import (
    LOSS_SPECS,
    CosineSpec,
    CrossEntropySpec,
    FocalSpec,
    GammaSpec,
    HingeSpec,
    KlDivergenceSpec,
    LogCoshSpec,
    LogLossSpec,
    LossSpec,
    PerceptronLossSpec,
    PoissonSpec,
    QuantileSpec,
    SquaredHingeSpec,
    TweedieSpec,
)
from engine.model import Model
from engine.network import NetworkSpec
from engine.optimizers import AdamSpec
from engine.spec import InvalidSpec
from engine.training import DatasetValidation, NoValidation, TrainingSpec

ROWS = 400
rng = np.random.default_rng(12)
X = rng.normal(size=(ROWS, 2))
MEAN = np.exp(0.8 * X[:, 0] + 0.5)
COUNTS = rng.poisson(40 * MEAN)  # far from 1, and skewed
CLAIMS = np.where(rng.random(ROWS) < 0.4, 0.0, rng.gamma(2, 500 * MEAN))
AMOUNTS = rng.gamma(2, 0.001 * MEAN)
NOISY = 100 + 10 * X[:, 0] + rng.exponential(5, ROWS)

LINEAR = NetworkSpec(layers=(DenseSpec(),))
RECIPE = TrainingSpec(
    epochs=60, batch_size=64, validation=NoValidation(), optimizer=AdamSpec(learning_rate=0.02)
)


def table(*targets: np.ndarray) -> Table:
    columns = {"a": X[:, 0], "b": X[:, 1]} | {f"y{i}": target for i, target in enumerate(targets)}
    frame = pl.DataFrame(columns)
    return Table(
        frame,
        {name: "numeric" if dtype.is_numeric() else "categorical" for name, dtype in frame.schema.items()},
    )


def trained(
    loss: LossSpec,
    *targets: np.ndarray,
    task: str = "regression",
    network: NetworkSpec | None = LINEAR,
    **recipe: object,
) -> tuple[Fitting, np.ndarray]:
    """The fitting and the answers to its own rows; the training loss has to fall."""
    data = table(*targets)
    names = tuple(f"y{i}" for i in range(len(targets)))
    goal = GoalSpec(target=names if len(names) > 1 else names[0], task=task)
    fitting = Fitting(data, goal, network, RECIPE.model_copy(update={"loss": loss, **recipe}))
    points = [progress.point for progress in fitting.run() if progress.point]
    assert points[-1].train_loss < points[0].train_loss
    assert fitting.plan.loss == loss.kind
    return fitting, fitting.model.answers(data.frame)


@pytest.mark.parametrize(
    ("loss", "target"),
    [(PoissonSpec(), COUNTS), (GammaSpec(), AMOUNTS), (TweedieSpec(power=1.5), CLAIMS)],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_losses_on_logarithms_find_the_mean(loss: LossSpec, target: np.ndarray) -> None:
    """Of any size, since the start is the mean; the answers are never negative."""
    fitting, answers = trained(loss, target)
    assert (answers > 0).all()
    assert answers.mean() == pytest.approx(target.mean(), rel=0.1)
    assert np.corrcoef(np.log(answers[:, 0]), np.log(MEAN))[0, 1] > 0.95
    assert "exponential" in fitting.plan.notes[0]
    assert fitting.target.means == (0,)


def test_counts_with_the_recommended_network() -> None:
    fitting, answers = trained(PoissonSpec(), COUNTS, network=None)
    assert answers.mean() == pytest.approx(COUNTS.mean(), rel=0.05)
    assert fitting.evaluate(fitting.model).r2 > 0.8


def test_the_file_of_a_model_keeps_the_link() -> None:
    fitting, answers = trained(PoissonSpec(), COUNTS, epochs=3)
    again = Model.from_bytes(fitting.model.to_bytes())
    assert again.link == "exp"
    np.testing.assert_array_equal(again.answers(table(COUNTS).frame), answers)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_so_many_are_below_the_quantile(level: float) -> None:
    _, answers = trained(QuantileSpec(level=level), NOISY)
    assert np.mean(answers[:, 0] >= NOISY) == pytest.approx(level, abs=0.05)


def test_log_cosh() -> None:
    fitting, _ = trained(LogCoshSpec(), NOISY)
    assert fitting.evaluate(fitting.model).r2 > 0.7


def test_cosine_finds_the_direction() -> None:
    """Of standardised targets, here of two that depend on both features."""
    fitting, answers = trained(CosineSpec(), X[:, 0] + 2 * X[:, 1], X[:, 0] - X[:, 1])
    truth = np.stack([X[:, 0] + 2 * X[:, 1], X[:, 0] - X[:, 1]], axis=1)
    a, y = ((values - fitting.target.means) / fitting.target.stds for values in (answers, truth))
    cosines = (a * y).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(y, axis=1))
    assert cosines.mean() > 0.95


BINARY = np.where(X[:, 0] + 0.5 * X[:, 1] > 0.3, "yes", "no")
CLASSES = np.array(["left", "middle", "right"])[np.digitize(X[:, 0], [-0.5, 0.5])]
UP, RIGHT = (X[:, 1] > 0).astype(int), (X[:, 0] > 0.5).astype(int)


@pytest.mark.parametrize(
    "loss",
    [
        LogLossSpec(label_smoothing=0.1),
        FocalSpec(),
        FocalSpec(alpha=0.6),
        HingeSpec(),
        SquaredHingeSpec(),
        PerceptronLossSpec(),
    ],
    ids=repr,
)
def test_labels(loss: LossSpec) -> None:
    fitting, _ = trained(loss, BINARY, task="binary")
    assert fitting.evaluate(fitting.model).accuracy > 0.95
    assert any("not calibrated" in note for note in fitting.plan.notes) == (loss.takes == "scores")
    fitting, _ = trained(loss, UP, RIGHT, task="multilabel")
    assert fitting.evaluate(fitting.model).accuracy > 0.93


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropySpec(label_smoothing=0.1),
        KlDivergenceSpec(),
        FocalSpec(),
        HingeSpec(),
        SquaredHingeSpec(),
        PerceptronLossSpec(),
    ],
    ids=repr,
)
def test_classes(loss: LossSpec) -> None:
    fitting, answers = trained(loss, CLASSES, task="multiclass")
    assert fitting.evaluate(fitting.model).accuracy > 0.9
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-12)


def test_no_loss_is_forgotten_here() -> None:
    here = {
        *(PoissonSpec, GammaSpec, TweedieSpec, QuantileSpec, LogCoshSpec, CosineSpec, LogLossSpec, FocalSpec),
        *(HingeSpec, SquaredHingeSpec, PerceptronLossSpec, CrossEntropySpec, KlDivergenceSpec),
    }
    in_test_fitting = {"mse", "mae", "huber"}  # or like what is there
    assert {spec.model_fields["kind"].default for spec in set(LOSS_SPECS) - here} == in_test_fitting


def refusal(loss: LossSpec, *targets: np.ndarray, validation: Table | None = None) -> InvalidSpec:
    names = tuple(f"y{i}" for i in range(len(targets)))
    goal = GoalSpec(target=names if len(names) > 1 else names[0], task="regression")
    recipe = RECIPE.model_copy(update={"loss": loss})
    if validation is not None:
        recipe = recipe.model_copy(update={"validation": DatasetValidation(dataset_id="other")})
    with pytest.raises(InvalidSpec) as caught:
        Fitting(table(*targets), goal, LINEAR, recipe, validation)
    return caught.value


def test_what_has_no_logarithm_is_refused() -> None:
    few = AMOUNTS.copy()
    few[[3, 70, 300]] = [-1, 0, -0.5]
    error = refusal(PoissonSpec(), few)
    assert error.path == ("target",)
    assert error.detail == f"poisson takes targets that are not negative, but 'y0' is not in 2 of {ROWS} rows"
    error = refusal(GammaSpec(), AMOUNTS, few)
    assert error.path == ("target", 1)
    assert error.detail == f"gamma takes targets that are positive, but 'y1' is not in 3 of {ROWS} rows"
    error = refusal(TweedieSpec(power=2), AMOUNTS, validation=table(few))
    assert error.path == ("training", "validation", "dataset_id")
    assert "the validation data set: tweedie takes targets that are positive" in error.detail


def test_a_single_target_has_no_direction() -> None:
    error = refusal(CosineSpec(), NOISY)
    assert error.path == ("training", "loss")
    assert "at least 2 outputs" in error.detail
