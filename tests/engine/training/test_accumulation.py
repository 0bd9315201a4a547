import numpy as np
import pytest
from training_runs import HIDDEN, Run, regression, spec

from engine.layers.dense import DenseSpec
from engine.optimizers import SgdSpec
from engine.schedules import ExponentialScheduleSpec


@pytest.mark.parametrize("rows", [24, 29])  # steps of 12 rows; 29: the last one has a batch of 4 and one of 1
@pytest.mark.parametrize("weighted", [False, True])
def test_some_small_batches_are_one_large_one(rows: int, weighted: bool):
    examples = regression(rows, weight=weighted)
    runs = []
    for options in ({"batch_size": 12}, {"batch_size": 4, "accumulate": 3}):
        recipe = spec(epochs=4, l2=0.01, clip_norm=0.5, optimizer=SgdSpec(momentum=0.9), **options)
        run = Run(recipe, examples, *HIDDEN)
        runs.append((run.points(examples), run.network.theta))
    (large, one), (small, many) = runs
    np.testing.assert_allclose(many, one, rtol=1e-12, atol=1e-14)
    assert [p.step for p in small] == [p.step for p in large]
    assert [p.train_loss for p in small] == pytest.approx([p.train_loss for p in large], rel=1e-12)


def test_a_step_is_done_when_its_batches_are_there():
    examples = regression(10)
    recipe = spec(epochs=2, batch_size=2, accumulate=2, schedule=ExponentialScheduleSpec(factor=0.125))
    run = Run(recipe, examples, DenseSpec())
    progress = list(run.trainer.run(examples))
    assert [p.step for p in progress] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    rates = [p.point.learning_rate for p in progress if p.point]
    assert rates == pytest.approx([0.001 * 0.125 ** (2 / 3), 0.001 * 0.125 ** (5 / 3)])


def test_rows_without_weight_leave_the_weights_alone():
    examples = regression(8, weight=True)
    examples.weight[:] = [0, 0, 0, 0, 0, 0, 0, 1]
    recipe = spec(epochs=1, batch_size=1, accumulate=3, optimizer=SgdSpec(learning_rate=0.1))
    run = Run(recipe, examples, DenseSpec())
    before = run.network.theta.copy()
    run.points(examples)
    x = np.append(examples.x[7], 1)
    expected = before - 0.1 * 2 * (x @ before - examples.y[7, 0]) * x
    np.testing.assert_allclose(run.network.theta, expected, rtol=1e-12)
