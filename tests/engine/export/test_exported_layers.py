"""Every layer, exported, computes what ours does: in onnxruntime and in the NumPy predictor."""

import numpy as np
import pytest
from exported import both
from layer_cases import all_cases

from engine.export.graph import Graph
from engine.export.layers import RULES
from engine.export.writer import Writer
from engine.layers import LAYER_SPECS
from engine.network import Network, NetworkSpec

NOT_EXPORTABLE: dict[str, str] = {}
"""Layers without an export, and why."""
ROWS = 3


def drawn(case):
    """The case's layer with random parameters and state, and rows for it."""
    spec = NetworkSpec(layers=(case.spec,))
    network = Network(spec, case.in_shape, batch=ROWS, rng=np.random.default_rng(0))
    x = case.make_x((ROWS, *case.in_shape)).astype(np.float32)
    network.init(np.random.default_rng(1), x)
    draw = np.random.default_rng(2)
    network.theta[:] += 0.3 * draw.standard_normal(network.theta.size, np.float32)
    if case.spec.kind == "batch_normalization":
        network.state[:] = draw.random(network.state.size, np.float32) + 0.5
    return network, x


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.spec.kind}-{case.in_shape}")
def test_a_layer_agrees_in_onnxruntime_and_in_the_predictor(case) -> None:
    if case.spec.kind in NOT_EXPORTABLE:
        assert type(case.spec) not in RULES
        return
    network, x = drawn(case)
    graph = Graph()
    writer = Writer(graph, RULES, network.theta, network.state)
    y = writer.chain(
        network.spec.layers, case.in_shape, graph.input("x", "float32", ("rows", *case.in_shape))
    )
    graph.output("y", y, "float32", ("rows", *network.out_shape))
    assert writer.finished
    expected = network.forward(x)
    onnx, numpy = both(graph, x)
    assert onnx.shape == numpy.shape == expected.shape
    np.testing.assert_allclose(onnx, expected, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(numpy, expected, rtol=1e-5, atol=2e-6)
    assert numpy.dtype == np.float32


def test_every_layer_has_a_rule_or_a_reason() -> None:
    kinds = {spec.model_fields["kind"].default for spec in LAYER_SPECS}
    with_rule = {spec.model_fields["kind"].default for spec in RULES}
    assert kinds == with_rule | NOT_EXPORTABLE.keys()
    assert not with_rule & NOT_EXPORTABLE.keys()
