"""Optimizers that ask for more than one batch's gradient: L-BFGS; and the rule that takes one row: 1958."""

import itertools

import numpy as np
import pytest
from training_runs import HIDDEN, Run, noise, regression, spec

from engine.layers.dense import DenseSpec
from engine.losses import PerceptronLossSpec
from engine.optimizers import LbfgsSpec, PerceptronRuleSpec
from engine.randomness import Randomness
from engine.training import EarlyStoppingSpec, Examples, Trainer


def test_lbfgs_takes_all_rows_whatever_the_batch_size():
    examples = regression(300, weight=True)
    run = Run(spec(epochs=12, batch_size=7, optimizer=LbfgsSpec()), examples, DenseSpec())
    progress = list(run.trainer.run(examples))
    assert [p.step for p in progress[::2]] == list(range(1, 13))
    assert run.network.theta == pytest.approx([2, -3, 0.5], abs=1e-6)


def test_the_losses_are_those_before_each_step_and_fall():
    examples = noise(40, seed=0)
    run = Run(spec(epochs=15, optimizer=LbfgsSpec()), examples, *HIDDEN)
    thetas, losses = [run.network.theta.copy()], []
    for progress in run.trainer.run(examples):
        if progress.point:
            losses.append(progress.point.train_loss)
            thetas.append(run.network.theta.copy())
    for theta, loss in zip(thetas, losses, strict=False):
        run.network.theta[:] = theta
        assert loss == pytest.approx(np.mean((run.network.forward(examples.x) - examples.y) ** 2), rel=1e-12)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 2


def test_the_penalty_is_part_of_the_cost():
    """Ridge regression has a closed form: (X^T X / n + l2 / 2 I) w = X^T y / n."""
    examples = regression(50)
    l2 = 0.7
    run = Run(spec(epochs=15, l2=l2, optimizer=LbfgsSpec()), examples, DenseSpec(bias=False))
    run.points(examples)
    x, y = examples.x, examples.y[:, 0]
    expected = np.linalg.solve(x.T @ x / 50 + l2 / 2 * np.eye(2), x.T @ y / 50)
    assert run.network.theta == pytest.approx(expected, abs=1e-6)


def test_early_stopping_and_iterations_go_with_it():
    training, validation = noise(30, seed=0), noise(30, seed=1)
    recipe = spec(epochs=60, optimizer=LbfgsSpec(iterations=3), early_stopping=EarlyStoppingSpec(patience=3))
    run = Run(recipe, training, *HIDDEN)
    points = run.points(training, validation)
    assert run.trainer.stopped_early
    assert run.trainer.best_epoch == 1 + int(np.argmin([p.validation_loss for p in points]))


def test_a_network_for_fewer_rows_is_refused():
    examples = regression(20)
    small = Run(spec(batch_size=4), regression(4), DenseSpec())
    trainer = Trainer(spec(optimizer=LbfgsSpec()), small.network, small.loss, small.metric, Randomness(0))
    with pytest.raises(ValueError, match="has 20 rows"):
        next(trainer.run(examples))


BITS = np.array(list(itertools.product([0.0, 1.0], repeat=2)))


def perceptron(targets: list[int], epochs: int) -> tuple[list[float], np.ndarray]:
    """Train one unit from zeros by the rule; its accuracy after each epoch's steps, and its weights."""
    examples = Examples(BITS, np.array(targets, float)[:, None])
    run = Run(spec(epochs=epochs, optimizer=PerceptronRuleSpec()), examples, DenseSpec(), task="binary")
    run.trainer = Trainer(
        spec(epochs=epochs, optimizer=PerceptronRuleSpec()),
        run.network,
        PerceptronLossSpec().build((1,), batch=1, dtype=np.dtype(np.float64)),
        run.metric,
        Randomness(0),
    )
    run.network.theta[:] = 0
    accuracies = []
    for progress in run.trainer.run(examples):
        if progress.point:
            scores = BITS @ run.network.theta[:2] + run.network.theta[2]
            accuracies.append(float(np.mean((scores > 0) == examples.y[:, 0])))
    return accuracies, run.network.theta


@pytest.mark.parametrize("targets", [[0, 0, 0, 1], [0, 1, 1, 1], [1, 0, 0, 0], [0, 0, 1, 0]])
def test_the_perceptron_learns_what_a_line_parts(targets: list[int]):
    accuracies, theta = perceptron(targets, 12)
    assert accuracies[-1] == 1
    assert (theta == theta.round()).all(), "sums of rows of zeros and ones, with eta 1"


@pytest.mark.parametrize("targets", [[0, 1, 1, 0], [1, 0, 0, 1]])
def test_the_perceptron_never_learns_xor(targets: list[int]):
    accuracies, _ = perceptron(targets, 60)
    assert max(accuracies) <= 0.75


def test_the_rule_step_by_step():
    """w += t x wherever t (w x + b) <= 0, in the order of the epoch."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    y = (x @ [1.0, -2.0, 0.5] + 0.3 > 0).astype(float)
    examples = Examples(x, y[:, None])
    recipe = spec(epochs=5, optimizer=PerceptronRuleSpec())
    run = Run(recipe, examples, DenseSpec(), task="binary")
    loss = recipe.loss.build((1,), batch=1, dtype=np.dtype(np.float64))
    trainer = Trainer(recipe, run.network, loss, run.metric, Randomness(0))
    run.network.theta[:] = 0
    w = np.zeros(4)
    for _ in trainer.run(examples):
        pass
    for epoch in range(1, 6):
        for row in Randomness(0).shuffle(epoch).permutation(30):
            t, inputs = 2 * y[row] - 1, np.append(x[row], 1)
            if t * (w @ inputs) <= 0:
                w += t * inputs
    np.testing.assert_allclose(run.network.theta, w, rtol=1e-12, atol=1e-14)
