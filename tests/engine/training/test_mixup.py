import tracemalloc

import numpy as np
import pytest
from training_runs import HIDDEN, Run, regression, spec

from engine.layers.dense import DenseSpec
from engine.optimizers import SgdSpec
from engine.randomness import Randomness
from engine.training import Batch, Examples
from engine.training.mixup import Mixup


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("rows", [8, 5])
def test_rows_are_mixed_with_a_permutation_of_themselves(rows: int, weight: bool):
    rng = np.random.default_rng(0)
    examples = Examples(
        rng.normal(size=(8, 2, 3)), np.eye(8), rng.uniform(1, 2, 8) if weight else None
    )  # the targets tell the rows apart
    batch = next(examples.batches(rows))
    before = [array.copy() for array in batch if array is not None]
    mixed = Mixup(0.4, examples, 8).mix(batch, np.random.default_rng(1))

    share = np.random.default_rng(1)
    share.shuffle(np.arange(rows))
    share = share.beta(0.4, 0.4)
    other = (mixed.y - share * batch.y) / (1 - share)
    order = other.argmax(axis=1)
    assert sorted(order) == list(range(rows))
    assert (order != np.arange(rows)).any()
    np.testing.assert_allclose(mixed.x, share * batch.x + (1 - share) * batch.x[order], rtol=1e-12)
    np.testing.assert_allclose(mixed.y, share * batch.y + (1 - share) * batch.y[order], atol=1e-12)
    if weight:
        mean = share * batch.weight + (1 - share) * batch.weight[order]
        np.testing.assert_allclose(mixed.weight, mean, rtol=1e-12)
        assert mixed.total_weight == pytest.approx(batch.total_weight)
    else:
        assert mixed.weight is None
    for array, was in zip((array for array in batch if array is not None), before, strict=True):
        assert np.array_equal(array, was)


def test_shares_are_of_the_beta_distribution():
    """Beta(a, a) has the variance 1 / (4 (2 a + 1))."""
    examples = Examples(np.array([[0.0], [1.0]]), np.zeros((2, 1)))
    mixup, rng = Mixup(0.7, examples, 2), np.random.default_rng(0)
    batch = next(examples.batches(2))
    shares = []
    for _ in range(4000):
        x = mixup.mix(batch, rng).x[:, 0]
        if not np.array_equal(x, [0, 1]):  # the permutation changed places
            shares.append(x[1])
    assert 1800 < len(shares) < 2200
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.var(shares) == pytest.approx(1 / (4 * 2.4), rel=0.1)


def test_a_training_is_a_function_of_the_seed():
    examples = regression(50)
    thetas = []
    for seed, mixup in ((0, 0.3), (0, 0.3), (1, 0.3), (0, 0.0)):
        run = Run(spec(epochs=2, seed=seed, mixup=mixup), examples, *HIDDEN)
        run.points(examples)
        thetas.append(run.network.theta)
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])
    assert not np.array_equal(thetas[0], thetas[3])


def test_a_linear_function_is_learned_from_mixed_rows_too():
    examples = regression(100)
    recipe = spec(epochs=100, mixup=1.0, optimizer=SgdSpec(learning_rate=0.1))
    run = Run(recipe, examples, DenseSpec())
    run.points(examples)
    assert run.network.theta == pytest.approx([2, -3, 0.5], abs=1e-4)


def test_mixing_allocates_nothing():
    examples = Examples(np.ones((512, 200), np.float32), np.ones((512, 1), np.float32))
    mixup, rng = Mixup(0.2, examples, 512), Randomness(0).mixup(1)
    batch = Batch(examples.x, examples.y, None)
    mixup.mix(batch, rng)
    tracemalloc.start()
    try:
        mixup.mix(batch, rng)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096
