import math

import pytest
from training_runs import HIDDEN, Run, noise, regression, spec

from engine.layers.dense import DenseSpec
from engine.optimizers import AdamSpec, SgdSpec
from engine.schedules import ReduceOnPlateauSpec, WarmupScheduleSpec
from engine.training.plateau import Plateau


def factors(losses: list[float], **options) -> list[float]:
    plateau = Plateau(ReduceOnPlateauSpec(**options))
    seen = []
    for loss in losses:
        plateau.update(loss)
        seen.append(plateau.factor)
    return seen


def test_it_falls_after_epochs_without_a_lower_loss():
    losses = [5, 4, 4, 4.1, 3, 3, 3, 3, 3]
    assert factors(losses, factor=0.5, patience=2) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_a_loss_must_be_lower_by_a_share_of_the_lowest():
    assert factors([1, 0.95, 0.89], factor=0.5, patience=1, threshold=0.1) == [1, 0.5, 0.5]
    assert factors([-1, -1.05, -1.2], factor=0.5, patience=1, threshold=0.1) == [1, 0.5, 0.5]
    assert factors([1, 0.95, 0.89], factor=0.5, patience=1, threshold=0.0) == [1, 1, 1]


def test_it_does_not_fall_below_the_minimum():
    assert factors([1] * 5, factor=0.1, patience=1, minimum=0.05) == [1, 0.1, 0.05, 0.05, 0.05]


def test_the_validation_loss_counts_where_there_is_one():
    training, validation = noise(30, seed=0), noise(30, seed=1)
    schedule = ReduceOnPlateauSpec(factor=0.5, patience=3)
    recipe = spec(epochs=40, optimizer=AdamSpec(learning_rate=0.02), early_stopping=None, schedule=schedule)
    run = Run(recipe, training, *HIDDEN)
    points = run.points(training, validation)

    expected = factors([point.validation_loss for point in points], factor=0.5, patience=3)
    assert expected[-1] < 1
    assert [p.learning_rate for p in points] == pytest.approx([0.02 * f for f in [1, *expected[:-1]]])
    assert expected != factors([point.train_loss for point in points], factor=0.5, patience=3)


@pytest.mark.parametrize("warmup", [False, True])
def test_without_validation_it_is_the_training_loss_also_after_a_warmup(warmup: bool):
    examples = regression(20)
    schedule = ReduceOnPlateauSpec(factor=0.5, patience=1, threshold=0.5)
    if warmup:
        schedule = WarmupScheduleSpec(epochs=0.5, then=schedule)
    recipe = spec(epochs=12, batch_size=20, optimizer=SgdSpec(learning_rate=0.1), schedule=schedule)
    points = Run(recipe, examples, DenseSpec()).points(examples)
    expected = factors([p.train_loss for p in points], factor=0.5, patience=1, threshold=0.5)
    rates = [0.1 * f for f in [1, *expected[:-1]]]
    if warmup:
        rates[0] /= 2
    assert [p.learning_rate for p in points] == pytest.approx(rates)
    assert expected[-1] < 1


def test_the_first_loss_is_the_lowest_whatever_it_is():
    assert factors([math.inf, 1e308, 1], patience=1) == [1, 1, 1]
