"""Layers that know padding leave it out in an export as well."""

import numpy as np
import pytest
from exported import both

from engine.export.graph import Graph
from engine.export.layers import RULES
from engine.export.writer import Writer
from engine.layers.attention.multi_head import MultiHeadAttentionSpec
from engine.layers.attention.positional_encoding import PositionalEncodingSpec
from engine.layers.attention.transformer import TransformerEncoderSpec
from engine.layers.recurrent.bidirectional import BidirectionalSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec
from engine.network import Network, NetworkSpec

SHAPE = (4, 2)
LAYERS = [
    SimpleRnnSpec(units=3, mask_value=0.0, return_sequences=True),
    LstmSpec(units=3, mask_value=0.0),
    LstmSpec(units=3, mask_value=0.0, backwards=True, return_sequences=True),
    GruSpec(units=3, mask_value=0.0),
    BidirectionalSpec(layer=GruSpec(units=2, mask_value=0.0)),
    PositionalEncodingSpec(mask_value=0.0),
    MultiHeadAttentionSpec(heads=2, mask_value=0.0),
    TransformerEncoderSpec(heads=1, feed_forward=3, mask_value=0.0),
    TransformerEncoderSpec(heads=1, normalization="post", causal=True, mask_value=0.0),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.kind)
def test_padding_agrees(layer) -> None:
    network = Network(NetworkSpec(layers=(layer,)), SHAPE, batch=4, rng=np.random.default_rng(0))
    network.init(np.random.default_rng(1))
    x = np.random.default_rng(2).standard_normal((4, *SHAPE), np.float32)
    x[0, 2:], x[1, :1], x[2] = 0, 0, 0  # at the end, at the start, all of a row
    graph = Graph()
    writer = Writer(graph, RULES, network.theta, network.state)
    y = writer.chain((layer,), SHAPE, graph.input("x", "float32", ("rows", *SHAPE)))
    graph.output("y", y, "float32", ("rows", *network.out_shape))
    expected = network.forward(x)
    for made in both(graph, x):
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=2e-6)
