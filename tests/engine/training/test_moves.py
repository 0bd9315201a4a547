"""What moves besides the learning rate, the batch that is left out, and what early stopping watches."""

import math

import numpy as np
import pytest
from training_runs import HIDDEN, Run, regression, spec

from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.optimizers import AdamWSpec, SgdSpec
from engine.schedules import FlatCosScheduleSpec
from engine.spec import InvalidSpec
from engine.training.early_stopping import EarlyStopping, EarlyStoppingSpec, error_of


def flat_cos(t):
    return 1.0 if t < 0.5 else (1 + math.cos(math.pi * (2 * t - 1))) / 2


def adamw_by_hand(theta, gradient, rates, decays, *, steps, rate, decay, moved):
    """AdamW as its article has it, with a factor on rate and decay for each number, in float64."""
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t in range(steps):
        g = gradient(theta)
        theta = theta * (1 - decay * moved(t / steps) * decays * rate * rates)
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g
        step = (m / (1 - 0.9 ** (t + 1))) / (np.sqrt(v / (1 - 0.95 ** (t + 1))) + 1e-8)
        theta = theta - rate * rates * step
    return theta


def test_decay_is_the_rate_times_both_factors_and_moves():
    """theta <- theta (1 - wd flat_cos(t) lr f^2), and the biases stay as they are."""
    examples = regression(20)
    recipe = spec(
        epochs=30,
        batch_size=20,
        optimizer=AdamWSpec(learning_rate=0.05, beta2=0.95, weight_decay=0.8),
        rate_factors={"W": 3.0, "b": 0.1},
        decay_factors={"W": 3.0},
        decay_schedule=FlatCosScheduleSpec(),
    )
    run = Run(recipe, examples, DenseSpec())
    start = run.network.theta.copy()
    run.points(examples)
    x, y = examples.x.astype(np.float64), examples.y.astype(np.float64)
    inputs, outputs = x.shape[1], y.shape[1]

    def gradient(theta):
        w, b = theta[: inputs * outputs].reshape(inputs, outputs), theta[inputs * outputs :]
        e = 2 * (x @ w + b - y) / y.size
        return np.concatenate([(x.T @ e).ravel(), e.sum(axis=0)])

    weights = np.arange(start.size) < inputs * outputs
    expected = adamw_by_hand(
        start.astype(np.float64),
        gradient,
        np.where(weights, 3.0, 0.1),
        np.where(weights, 3.0, 0.0),
        steps=30,
        rate=0.05,
        decay=0.8,
        moved=flat_cos,
    )
    np.testing.assert_allclose(run.network.theta, expected, rtol=2e-3, atol=2e-4)


def test_a_decay_factor_needs_its_parameter_and_makes_it_decay():
    examples = regression(10)
    with pytest.raises(InvalidSpec, match="no parameter 'q'") as caught:
        Run(spec(decay_factors={"q": 1.0}), examples, DenseSpec())
    assert caught.value.path == ("decay_factors", "q")
    moves = []
    for factors in ({}, {"b": 1.0}):
        optimizer = SgdSpec(learning_rate=0.1, weight_decay=0.5)
        run = Run(
            spec(epochs=1, batch_size=10, optimizer=optimizer, decay_factors=factors), examples, *HIDDEN
        )
        run.network.theta[:] = 1
        run.points(examples)
        moves.append({s.name: run.network.theta[s.slice].copy() for s in run.network.segments})
    np.testing.assert_allclose(moves[1]["0.b"], moves[0]["0.b"] - 0.05, rtol=1e-6)
    np.testing.assert_array_equal(moves[1]["0.W"], moves[0]["0.W"])


def test_dropout_moves():
    examples = regression(64)
    recipe = spec(epochs=4, batch_size=64, dropout_schedule=FlatCosScheduleSpec())
    run = Run(recipe, examples, DenseSpec(units=500), DropoutSpec(rate=0.4), DenseSpec())
    dropout = run.network.layers[1]
    shares = [
        float((dropout._mask[:64] == 0).mean())
        for progress in run.trainer.run(examples)
        if progress.point is None
    ]
    assert shares == pytest.approx([0.4 * flat_cos(t / 4) for t in range(4)], abs=0.01)


@pytest.mark.parametrize(("rows", "batch", "steps"), [(10, 4, 2), (8, 4, 2), (3, 4, 1)])
def test_the_last_batch_is_left_out_where_it_is_smaller(rows, batch, steps):
    examples = regression(rows)
    run = Run(spec(epochs=2, batch_size=batch, drop_last=True), examples, DenseSpec())
    points = run.points(examples)
    assert [point.step for point in points] == [steps, 2 * steps]


def test_early_stopping_watches_errors_and_takes_the_last_of_equals():
    run = Run(spec(), regression(10), DenseSpec())
    stopping = EarlyStopping(EarlyStoppingSpec(patience=2, monitor="error", ties="last"), run.network)
    course = [(0.5, 0.6), (0.9, 0.8), (0.7, 0.8), (0.1, 0.7), (0.1, 0.7)]
    for epoch, (loss, accuracy) in enumerate(course, 1):
        run.network.theta[:] = epoch
        stopping.update(epoch, loss, {"accuracy": accuracy})
    assert stopping.best_epoch == 3
    assert (stopping.best.theta == 3).all()
    assert stopping.is_over(5)
    first = EarlyStopping(EarlyStoppingSpec(monitor="error"), run.network)
    for epoch, (loss, accuracy) in enumerate(course, 1):
        first.update(epoch, loss, {"accuracy": accuracy})
    assert first.best_epoch == 2


def test_the_error_is_wrong_answers_or_the_rmse():
    assert error_of({"accuracy": 0.9}) == pytest.approx(0.1)
    assert error_of({"rmse": 3.0, "mae": 2.0}) == 3.0
