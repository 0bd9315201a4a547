"""A step of training allocates nothing that grows with the batch, whatever the network is made of."""

import tracemalloc

import numpy as np
import pytest
from training_runs import Run, spec

from engine.arrays import Shape
from engine.network import NetworkSpec
from engine.training import Examples

PASSING = 64 * 1024
"""Bytes that a step may allocate and free again: NumPy's buffers and Python's objects."""

NETWORKS: dict[str, tuple[Shape, list[dict[str, object]]]] = {
    "mlp": (
        (64,),
        [{"kind": "dense", "units": 64}, {"kind": "relu"}, {"kind": "dropout"}, {"kind": "dense"}],
    ),
    "convolutional": (
        (16, 16, 3),
        [
            {"kind": "conv2d", "filters": 16, "kernel_size": 5},
            {"kind": "batch_normalization"},
            {"kind": "relu"},
            {"kind": "max_pool2d"},
            {
                "kind": "residual",
                "layers": [{"kind": "conv2d", "filters": 16, "kernel_size": 3, "padding": "same"}],
            },
            {"kind": "conv2d", "filters": 8, "kernel_size": 3, "stride": 2},
            {"kind": "global_average_pool"},
            {"kind": "dense"},
        ],
    ),
    "recurrent": ((12, 8), [{"kind": "lstm", "units": 16}, {"kind": "dense"}]),
    "gru": ((12, 8), [{"kind": "gru", "units": 16}, {"kind": "dense"}]),
    "attention": (
        (12, 8),
        [
            {"kind": "positional_encoding"},
            {"kind": "transformer_encoder", "heads": 2},
            {"kind": "flatten"},
            {"kind": "dense"},
        ],
    ),
    "tabular": (
        (10,),
        [
            {"kind": "pbld"},
            {"kind": "dense", "units": 32, "parametrization": "ntp"},
            {"kind": "parametric_activation"},
            {"kind": "dense"},
        ],
    ),
}


def growth(name: str, batch: int) -> int:
    """Bytes at the peak of a step, over what is there before it: the least of five steps."""
    in_shape, layers = NETWORKS[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2 * batch, *in_shape), np.float32)
    examples = Examples(x, np.eye(4, dtype=np.float32)[rng.integers(0, 4, len(x))])
    chain = NetworkSpec.model_validate({"layers": layers}).layers
    run = Run(spec(epochs=10, batch_size=batch), examples, *chain, task="multiclass")
    progress = run.trainer.run(examples)
    peaks = []
    for _ in range(5):
        while next(progress).point is None:
            pass
        next(progress)  # the epoch's first step, with its shuffle; the second one is measured
        tracemalloc.start()
        try:
            next(progress)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    progress.close()
    return min(peaks)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_allocates_the_same_for_small_and_large_batches(name: str) -> None:
    small, large = growth(name, 32), growth(name, 512)
    assert small < PASSING
    assert large < PASSING
    assert abs(large - small) <= 8 * 1024  # equal, but for what Python's objects happen to take
