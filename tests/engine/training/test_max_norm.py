import tracemalloc

import numpy as np
import pytest
from training_runs import HIDDEN, Run, regression, spec

from engine.arrays import size
from engine.layers.dense import DenseSpec
from engine.network import Network, NetworkSpec, Segment
from engine.optimizers import BLOCK, SgdSpec
from engine.training.max_norm import MaxNorm


def test_long_weights_are_scaled_and_short_ones_stay():
    examples = regression(40)
    recipe = spec(epochs=5, batch_size=8, max_norm=0.5, optimizer=SgdSpec(learning_rate=0.1))
    run = Run(recipe, examples, *HIDDEN)
    free = Run(recipe.model_copy(update={"max_norm": None}), examples, *HIDDEN)
    for bounded in run.trainer.run(examples):
        assert np.isfinite(bounded.step)
        weights = [run.network.theta[s.slice].reshape(s.shape) for s in run.network.segments if s.decay]
        lengths = np.concatenate([np.linalg.norm(w, axis=0) for w in weights])
        assert lengths.max() <= 0.5 * (1 + 1e-12)
    assert lengths.min() < 0.5 * (1 - 1e-6)
    free.points(examples)
    assert not np.allclose(free.network.theta, run.network.theta)


@pytest.mark.parametrize("shape", [(3, 3, 2, 5), (BLOCK // 4 + 7, 9), (2, BLOCK + 1), (6,)])
def test_incoming_weights_are_all_axes_but_the_last(shape):
    network = Network(
        NetworkSpec(layers=(DenseSpec(units=1, bias=False),)),
        (size(shape),),
        batch=1,
        rng=np.random.default_rng(0),
        dtype=np.float64,
    )
    network.segments = [Segment("0.W", slice(0, size(shape)), shape)]
    network.theta[:] = np.random.default_rng(1).normal(size=size(shape))
    w = network.theta.reshape(shape)
    lengths = np.sqrt((w**2).sum(axis=tuple(range(w.ndim - 1))))
    most = float(np.median(lengths))
    expected = w * np.minimum(1, most / lengths)

    bound = MaxNorm(network, most)
    tracemalloc.start()
    try:
        bound.apply()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    np.testing.assert_allclose(w, expected, rtol=1e-12)
    assert peak < 80_000  # NumPy's fixed buffers; W is up to 1,200,000 bytes


def test_weights_of_zero_stay():
    network = Network(NetworkSpec(layers=(DenseSpec(units=2),)), (3,), batch=1, rng=np.random.default_rng(0))
    MaxNorm(network, 1.0).apply()
    assert (network.theta == 0).all()
