"""The same seed gives the same bits, twice and from a file; a lone row is safe. For every layer there is."""

from dataclasses import dataclass

import numpy as np
import pytest
from layer_cases import LayerCase, all_cases

from engine.arrays import Array
from engine.initializers import NormalSpec
from engine.layers.dense import DenseSpec
from engine.layers.flatten import FlattenSpec
from engine.network import Network, NetworkSpec
from engine.optimizers import AdamSpec

pytestmark = pytest.mark.slow

CASES = all_cases()
each_layer = pytest.mark.parametrize(
    "case", CASES, ids=[f"{i}-{case.spec.kind}" for i, case in enumerate(CASES)]
)


@dataclass
class Trained:
    network: Network
    outputs: list[Array]


def spec_of(case: LayerCase) -> NetworkSpec:
    last = DenseSpec(weight_initializer=NormalSpec(std=0.5))
    return NetworkSpec(layers=(case.spec, FlattenSpec(), last)).resolve(2)


def trained(case: LayerCase, spec: NetworkSpec, *, rows: int = 5) -> Trained:
    """Three steps of Adam from one seed."""
    network = Network(spec, case.in_shape, batch=rows, rng=np.random.default_rng(3))
    x = case.make_x((rows, *case.in_shape)).astype(np.float32)
    network.init(np.random.default_rng(4), x)
    optimizer = AdamSpec(learning_rate=0.01).build()
    optimizer.bind(network.segments, network.theta.size, network.dtype)
    outputs = []
    for _ in range(3):
        outputs.append(network.forward(x, train=True).copy())
        network.backward(outputs[-1].copy())
        optimizer.step(network.theta, network.grad, 0.01)
    return Trained(network, outputs)


@each_layer
def test_same_seed_same_bits_also_from_json(case: LayerCase) -> None:
    spec = spec_of(case)
    one, other = trained(case, spec), trained(case, NetworkSpec.model_validate_json(spec.model_dump_json()))
    assert [y.tobytes() for y in one.outputs] == [y.tobytes() for y in other.outputs]
    for name in ("theta", "grad", "state"):
        assert getattr(one.network, name).tobytes() == getattr(other.network, name).tobytes(), name


@each_layer
def test_theta_and_state_are_all_there_is(case: LayerCase) -> None:
    """A new network with the old one's theta and state predicts the same bits."""
    spec = spec_of(case)
    old = trained(case, spec).network
    new = Network(spec, case.in_shape, batch=5, rng=np.random.default_rng(99))
    new.theta[:], new.state[:] = old.theta, old.state
    x = case.make_x((5, *case.in_shape)).astype(np.float32)
    assert new.forward(x).tobytes() == old.forward(x).tobytes()


@each_layer
def test_a_lone_row_is_safe(case: LayerCase) -> None:
    network = trained(case, spec_of(case), rows=1).network
    assert np.isfinite(network.theta).all()
    assert np.isfinite(network.grad).all()
    assert np.isfinite(network.state).all()
