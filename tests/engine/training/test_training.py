"""The training loop, on networks small enough to know what must come out."""

import math
import pickle
import tracemalloc

import numpy as np
import pytest
from training_runs import HIDDEN, Run, regression, spec

from engine.layers.activations.base import TanhSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.optimizers import AdamSpec, SgdSpec
from engine.randomness import Randomness
from engine.schedules import ExponentialScheduleSpec
from engine.training import Diverged, EarlyStoppingSpec, Examples, Trainer


def test_learns_a_linear_regression():
    examples = regression(100)
    run = Run(spec(epochs=100, optimizer=SgdSpec(learning_rate=0.1)), examples, DenseSpec())

    points = run.points(examples)

    assert run.network.theta == pytest.approx([2, -3, 0.5], abs=1e-6)
    assert points[-1].train_loss < 1e-12
    assert points[-1].metrics["train_r2"] == pytest.approx(1)


def test_learns_xor():
    examples = Examples(np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([[0], [1], [1], [0.0]]))
    recipe = spec(epochs=300, batch_size=4, optimizer=AdamSpec(learning_rate=0.05))
    run = Run(recipe, examples, DenseSpec(units=8), TanhSpec(), DenseSpec(), task="binary")

    points = run.points(examples)

    assert points[-1].metrics == {"train_accuracy": 1.0}
    assert points[-1].train_loss < 0.05


def test_learns_classes_in_float32():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    x = (np.eye(3)[labels] * 3 + rng.normal(size=(200, 3))).astype(np.float32)
    examples = Examples(x, np.eye(3, dtype=np.float32)[labels])
    recipe = spec(epochs=20, optimizer=AdamSpec(learning_rate=0.01))
    run = Run(recipe, examples, DenseSpec(units=16), ReluSpec(), DenseSpec(), task="multiclass")

    assert run.points(examples)[-1].metrics["train_accuracy"] > 0.9


def test_progress_after_every_batch_and_every_epoch():
    examples = regression(10)
    run = Run(spec(epochs=2, batch_size=4), examples, DenseSpec())

    progress = list(run.trainer.run(examples))

    assert [(p.epoch, p.step, p.point is not None) for p in progress] == [
        (1, 1, False),
        (1, 2, False),
        (1, 3, False),
        (1, 3, True),
        (2, 4, False),
        (2, 5, False),
        (2, 6, False),
        (2, 6, True),
    ]
    first, second = (p.point for p in progress if p.point)
    assert (first.epoch, first.step, second.epoch, second.step) == (1, 3, 2, 6)
    assert 0 < first.seconds < second.seconds
    assert first.validation_loss is None
    assert run.trainer.step == 6


def test_learning_rate_follows_the_schedule():
    examples = regression(10)
    recipe = spec(
        epochs=3,
        batch_size=5,
        schedule=ExponentialScheduleSpec(factor=0.25),
        optimizer=SgdSpec(learning_rate=0.1),
    )

    points = Run(recipe, examples, DenseSpec()).points(examples)

    assert [point.learning_rate for point in points] == pytest.approx([0.05, 0.0125, 0.003125])


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_means_over_all_rows(weighted: bool):
    training, validation = regression(37, weight=weighted), regression(23, weight=weighted, seed=1)
    recipe = spec(epochs=3, batch_size=8, early_stopping=EarlyStoppingSpec())
    run = Run(recipe, training, *HIDDEN)
    order = Randomness(recipe.seed)

    weights = np.ones(37) if training.weight is None else training.weight
    epoch, position, losses, point = 1, 0, np.zeros(37), None
    theta = run.network.theta.copy()
    for progress in run.trainer.run(training, validation):
        point = progress.point
        if point:
            assert point.train_loss == pytest.approx(np.average(losses, weights=weights), rel=1e-12)
            v = validation.weight
            errors = [
                (run.network.forward(x[None])[0, 0] - y) ** 2
                for x, y in zip(validation.x, validation.y[:, 0], strict=True)
            ]
            assert point.validation_loss == pytest.approx(np.average(errors, weights=v), rel=1e-12)
            epoch, position = epoch + 1, 0
            continue
        rows = order.shuffle(epoch).permutation(37)[position : position + 8]
        after = run.network.theta.copy()
        run.network.theta[:] = theta  # the loss is that of the weights before the step
        losses[rows] = [
            (run.network.forward(training.x[row : row + 1])[0, 0] - training.y[row, 0]) ** 2 for row in rows
        ]
        run.network.theta[:] = theta = after
        position += 8


def test_every_row_counts_with_a_partial_last_batch():
    examples = regression(10)
    run = Run(spec(epochs=1, batch_size=4, optimizer=SgdSpec(learning_rate=0.01)), examples, DenseSpec())
    expected = run.network.theta.copy()

    run.points(examples)

    order = Randomness(0).shuffle(1).permutation(10)
    for rows in (order[:4], order[4:8], order[8:]):
        x = np.hstack([examples.x[rows], np.ones((len(rows), 1))])
        expected -= 0.01 * 2 / len(rows) * x.T @ (x @ expected - examples.y[rows, 0])
    assert run.network.theta == pytest.approx(expected, rel=1e-12)


def test_a_batch_may_be_larger_than_the_data():
    examples = regression(10)
    run = Run(spec(epochs=2, batch_size=64), examples, DenseSpec())
    assert [point.step for point in run.points(examples)] == [1, 2]


def test_validation_runs_without_dropout_and_leaves_training_as_it_is():
    training, validation = regression(64), regression(20, seed=1)
    layers = (DenseSpec(units=16), TanhSpec(), DropoutSpec(rate=0.5), DenseSpec())
    recipe = spec(epochs=3, early_stopping=EarlyStoppingSpec())
    run = Run(recipe, training, *layers)
    twin = Run(spec(epochs=3), training, *layers)

    for progress in run.trainer.run(training, validation):
        if progress.point:
            output = run.network.forward(validation.x, train=False)
            expected = np.mean((output - validation.y) ** 2)
            assert progress.point.validation_loss == pytest.approx(expected, rel=1e-12)
            last = run.network.theta.copy()
    twin.points(training)
    assert np.array_equal(last, twin.network.theta)


def test_same_seed_same_bits_other_seed_other_bits():
    def train(seed: int) -> np.ndarray:
        examples = regression(50, dtype=np.float32)
        run = Run(spec(epochs=3, seed=seed), examples, DenseSpec(units=8), DropoutSpec(rate=0.3), DenseSpec())
        run.points(examples)
        return run.network.theta

    assert np.array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_a_weight_of_two_is_the_row_twice():
    examples = regression(10)
    double = Examples(*(np.concatenate([array, array[:3]]) for array in (examples.x, examples.y)))
    weighted = Examples(examples.x, examples.y, np.array([2.0] * 3 + [1.0] * 7))

    thetas, losses = [], []
    for rows in (double, weighted):
        run = Run(spec(epochs=10, batch_size=16), rows, *HIDDEN)
        losses.append([(point.train_loss, point.metrics["train_r2"]) for point in run.points(rows)])
        thetas.append(run.network.theta)
    assert np.array(losses[0]) == pytest.approx(np.array(losses[1]), rel=1e-9)
    assert thetas[0] == pytest.approx(thetas[1], rel=1e-9)


def test_a_weight_of_zero_is_no_row():
    examples = regression(8)
    weighted = Examples(examples.x, examples.y, np.array([1.0] * 5 + [0.0] * 3))
    less = Examples(examples.x[:5], examples.y[:5])

    one, other = (Run(spec(epochs=5, batch_size=8), rows, DenseSpec()) for rows in (weighted, less))
    losses = [
        [point.train_loss for point in run.points(rows)] for run, rows in ((one, weighted), (other, less))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_is_told_at_once(dtype):
    examples = regression(20, dtype=dtype)
    run = Run(spec(epochs=1000, batch_size=20, optimizer=SgdSpec(learning_rate=1000)), examples, *HIDDEN)

    losses = []
    with pytest.raises(Diverged, match="lower the learning rate") as caught:
        losses += [progress for progress in run.trainer.run(examples) if progress.point]

    diverged = pickle.loads(pickle.dumps(caught.value))
    assert str(diverged) == str(caught.value)
    assert diverged.step == run.trainer.step < 1000
    assert all(math.isfinite(progress.point.train_loss) for progress in losses)


def test_weights_that_the_last_step_blew_up_are_found():
    examples = Examples(np.full((4, 1), 1e15, np.float32), np.ones((4, 1), np.float32))
    run = Run(spec(epochs=1, batch_size=4, optimizer=SgdSpec(learning_rate=1000)), examples, DenseSpec())
    with pytest.raises(Diverged, match="weights"):
        run.points(examples)


def test_divergence_in_validation_is_found():
    training = regression(8, dtype=np.float32)
    validation = Examples(np.full((4, 2), 1e30, np.float32), np.ones((4, 1), np.float32))
    run = Run(spec(epochs=2, early_stopping=EarlyStoppingSpec()), training, DenseSpec())
    with pytest.raises(Diverged, match="validation loss"):
        run.points(training, validation)


def test_what_cannot_run_is_refused():
    examples = regression(20)
    run = Run(spec(epochs=1, early_stopping=EarlyStoppingSpec()), examples, DenseSpec())
    with pytest.raises(ValueError, match="rows to validate on"):
        next(run.trainer.run(examples))

    small = Run(spec(epochs=1, batch_size=4), examples, DenseSpec()).network
    trainer = Trainer(spec(batch_size=8), small, run.loss, run.metric, Randomness(0))
    with pytest.raises(ValueError, match="at most 4"):
        next(trainer.run(examples))


PENALISED = {"l1": 0.01, "l2": 0.01, "clip_norm": 1.0, "clip_value": 1.0}
REFINED = {"accumulate": 2, "mixup": 0.2, "max_norm": 1.0, "weight_average": {}, "shuffle": "block"}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [PENALISED, REFINED], ids=["penalised", "refined"])
def test_the_steady_state_allocates_nothing(weighted: bool, options: dict):
    rows, features = 2048, 256
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    y = np.eye(4, dtype=np.float32)[rng.integers(0, 4, rows)]
    examples = Examples(x, y, np.ones(rows, np.float32) if weighted else None)
    recipe = spec(epochs=3, batch_size=256, **options)
    layers = (DenseSpec(units=256), ReluSpec(), DropoutSpec(rate=0.1), DenseSpec())
    run = Run(recipe, examples, *layers, task="multiclass")

    progress = run.trainer.run(examples)
    for sign in progress:
        if sign.step == 2:
            break
    tracemalloc.start()
    try:
        for _ in range(5):
            next(progress)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        progress.close()
    assert peak < 80_000  # NumPy's fixed buffers; a batch of activations is 262,144 bytes
