import numpy as np
import pytest
from training_runs import HIDDEN, Run, regression, spec

from engine.layers.dense import DenseSpec
from engine.optimizers import SgdSpec


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.0, 0.3), (0.1, 0.3)])
def test_penalties_against_central_differences(l1: float, l2: float):
    examples = regression(20)
    eta = 0.01
    recipe = spec(epochs=1, batch_size=20, l1=l1, l2=l2, optimizer=SgdSpec(learning_rate=eta))
    run = Run(recipe, examples, *HIDDEN)
    theta = run.network.theta.copy()

    def cost(values: np.ndarray) -> float:
        run.network.theta[:] = values
        error = run.network.forward(examples.x) - examples.y
        weights = np.concatenate([values[s.slice] for s in run.network.segments if s.name.endswith("W")])
        return float(np.mean(error**2) + l1 * np.abs(weights).sum() + l2 / 2 * (weights**2).sum())

    h = 1e-6
    directions = np.eye(len(theta)) * h
    gradient = np.array([(cost(theta + d) - cost(theta - d)) / (2 * h) for d in directions])
    run.network.theta[:] = theta

    [point] = run.points(examples)

    assert run.network.theta == pytest.approx(theta - eta * gradient, abs=1e-10)
    plain = np.mean((run.network.forward(examples.x) - examples.y) ** 2)
    assert point.penalty == pytest.approx(cost(run.network.theta.copy()) - plain, rel=1e-12)


def test_without_penalty_it_is_zero():
    examples = regression(20)
    assert Run(spec(epochs=1), examples, DenseSpec()).points(examples)[0].penalty == 0


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_clipping_by_norm_scales_and_by_value_cuts(size: float):
    examples = regression(20)
    eta = 0.1
    moves = {}
    for name, clipping in {"none": {}, "norm": {"clip_norm": size}, "value": {"clip_value": size}}.items():
        recipe = spec(epochs=1, batch_size=20, optimizer=SgdSpec(learning_rate=eta), **clipping)
        run = Run(recipe, examples, DenseSpec())
        before = run.network.theta.copy()
        run.points(examples)
        moves[name] = (before - run.network.theta) / eta

    gradient = moves["none"]
    assert moves["norm"] == pytest.approx(gradient * min(1, size / np.linalg.norm(gradient)), rel=1e-9)
    assert moves["value"] == pytest.approx(np.clip(gradient, -size, size), rel=1e-9)
