import numpy as np
import pytest
from training_runs import Run, noise, regression, spec

from engine.layers.activations.base import TanhSpec
from engine.layers.dense import DenseSpec
from engine.optimizers import AdamSpec
from engine.randomness import Randomness
from engine.training import EarlyStoppingSpec, Trainer

WIDE = (DenseSpec(units=32), TanhSpec(), DenseSpec())
FAST = AdamSpec(learning_rate=0.02)  # learns noise by heart


def test_early_stopping_restores_the_best_weights_and_state():
    training, validation = noise(30, seed=0), noise(30, seed=1)
    recipe = spec(epochs=200, optimizer=FAST, early_stopping=EarlyStoppingSpec(patience=4))
    run = Run(recipe, training, *WIDE)
    run.network.state = np.zeros(1)  # as if a layer kept a running moment
    run.trainer = Trainer(recipe, run.network, run.loss, run.metric, Randomness(0))

    losses, thetas = [], []
    for progress in run.trainer.run(training, validation):
        run.network.state[0] = progress.epoch
        if progress.point:
            losses.append(progress.point.validation_loss)
            thetas.append(run.network.theta.copy())

    best = int(np.argmin(losses))
    assert run.trainer.best_epoch == best + 1
    assert run.trainer.stopped_early
    assert len(losses) == best + 1 + 4
    assert np.array_equal(run.network.theta, thetas[best])
    assert run.network.state[0] == best + 1
    assert not np.array_equal(run.network.theta, thetas[-1])


def test_the_best_weights_are_kept_when_the_epochs_end_first():
    training, validation = noise(30, seed=0), noise(30, seed=1)
    recipe = spec(epochs=30, optimizer=FAST, early_stopping=EarlyStoppingSpec(patience=1000))
    run = Run(recipe, training, *WIDE)

    points = run.points(training, validation)

    assert len(points) == 30
    assert not run.trainer.stopped_early
    assert run.trainer.best_epoch < 30
    error = run.network.forward(validation.x) - validation.y
    assert np.mean(error**2) == pytest.approx(min(point.validation_loss for point in points), rel=1e-12)


def test_an_improvement_must_exceed_min_delta():
    training, validation = regression(30), regression(30, seed=1)
    recipe = spec(epochs=50, early_stopping=EarlyStoppingSpec(patience=3, min_delta=1e6))
    run = Run(recipe, training, DenseSpec())

    assert len(run.points(training, validation)) == 4
    assert run.trainer.best_epoch == 1


def test_without_early_stopping_the_last_weights_stay():
    training, validation = noise(30, seed=0), noise(30, seed=1)
    recipe = spec(epochs=30, optimizer=FAST, early_stopping=None)
    run = Run(recipe, training, *WIDE)

    points = run.points(training, validation)

    assert run.trainer.best_epoch is None
    error = run.network.forward(validation.x) - validation.y
    assert np.mean(error**2) == pytest.approx(points[-1].validation_loss, rel=1e-12)


def test_a_closed_run_leaves_the_weights_of_that_moment():
    training, validation = noise(30, seed=0), noise(30, seed=1)
    recipe = spec(epochs=50, batch_size=10, optimizer=FAST, early_stopping=EarlyStoppingSpec())
    run = Run(recipe, training, *WIDE)

    progress = run.trainer.run(training, validation)
    for sign in progress:
        if sign.step == 50:
            break
    moment = run.network.theta.copy()
    progress.close()

    assert np.array_equal(run.network.theta, moment)
    run.trainer.restore_best()
    assert not np.array_equal(run.network.theta, moment)
