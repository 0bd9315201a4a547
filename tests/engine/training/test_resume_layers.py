"""Every layer goes on from a file with the same bits: whatever it keeps or draws is in the checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from layer_cases import LayerCase, all_cases
from training_runs import Run, spec

from engine.arrays import Array
from engine.checkpoint import load, save
from engine.initializers import NormalSpec
from engine.layers.dense import DenseSpec
from engine.layers.flatten import FlattenSpec
from engine.training import Examples

pytestmark = pytest.mark.slow

CASES = all_cases()


def run_of(case: LayerCase) -> tuple[Run, Examples]:
    x = case.make_x((10, *case.in_shape)).astype(np.float32)
    y = np.linspace(-1, 1, 20, dtype=np.float32).reshape(10, 2)
    examples = Examples(x, y)
    last = DenseSpec(weight_initializer=NormalSpec(std=0.5))
    run = Run(spec(epochs=2, batch_size=4, seed=5), examples, case.spec, FlattenSpec(), last)
    run.network.init(np.random.default_rng(4), x[:4])
    return run, examples


def ends(run: Run) -> tuple[bytes, bytes]:
    return run.network.theta.tobytes(), run.network.state.tobytes()


def outputs(run: Run, x: Array) -> bytes:
    return run.network.forward(x[:4]).tobytes()


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case.spec.kind}" for i, case in enumerate(CASES)])
def test_the_layer_goes_on_as_if_it_had_not_stopped(case: LayerCase, tmp_path: Path) -> None:
    whole, examples = run_of(case)
    whole.points(examples)

    for yields in (2, 4, 5):  # within an epoch, after it, and within the next one
        before, _ = run_of(case)
        progress = before.trainer.run(examples)
        for _ in range(yields):
            next(progress)
        save(tmp_path / "stop", before.trainer.checkpoint())
        after, _ = run_of(case)
        for _ in after.trainer.run(examples, checkpoint=load(tmp_path / "stop")[0]):
            pass
        assert ends(after) == ends(whole)
        assert outputs(after, examples.x) == outputs(whole, examples.x)
