"""Every template's network, exported as ONNX: the probabilities of ours within 1e-5."""

import numpy as np
import pytest
from exported import both
from small_templates import SMALL

from engine.export.graph import Graph
from engine.export.layers import RULES
from engine.export.writer import Writer
from engine.network import Network
from engine.templates import TEMPLATE_SPECS

ROWS = 32


@pytest.mark.parametrize("kind", SMALL)
def test_a_template_agrees(kind) -> None:
    template, shape, outputs = SMALL[kind]
    spec = template.build().resolve(outputs)
    network = Network(spec, shape, batch=ROWS, rng=np.random.default_rng(0))
    x = np.abs(np.random.default_rng(2).standard_normal((ROWS, *shape), np.float32))
    network.init(np.random.default_rng(1), x)  # enough rows for starts from data
    graph = Graph()
    writer = Writer(graph, RULES, network.theta, network.state)
    y = writer.chain(spec.layers, shape, graph.input("x", "float32", ("rows", *shape)))
    assert writer.finished
    graph.output("y", y, "float32", ("rows", *network.out_shape))
    expected = network.forward(x)
    for made in both(graph, x):
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


def test_all_templates_are_here() -> None:
    assert {spec.model_fields["kind"].default for spec in TEMPLATE_SPECS} == SMALL.keys()
