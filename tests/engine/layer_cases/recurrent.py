"""Recurrent layers."""

from engine.layers.recurrent.bidirectional import BidirectionalSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec
from layer_cases import LayerCase

SERIES = (3, 2)
UNSEEN = -2.0
"""A mask value that no input has: padding would jump under central differences. It has tests of its own."""

CASES = [
    LayerCase(SimpleRnnSpec(units=3), SERIES),
    LayerCase(SimpleRnnSpec(units=3, return_sequences=True), SERIES),
    LayerCase(SimpleRnnSpec(units=3, backwards=True, return_sequences=True, mask_value=UNSEEN), SERIES),
    LayerCase(SimpleRnnSpec(units=1), (1, 1)),
    LayerCase(LstmSpec(units=3), SERIES),
    LayerCase(LstmSpec(units=2, return_sequences=True), SERIES),
    LayerCase(LstmSpec(units=2, backwards=True), SERIES),
    LayerCase(LstmSpec(units=2, mask_value=UNSEEN), SERIES),
    LayerCase(LstmSpec(units=2, return_sequences=True, mask_value=UNSEEN), SERIES),
    LayerCase(LstmSpec(units=3, forget_bias=0.0), (1, 2)),
    LayerCase(GruSpec(units=3), SERIES),
    LayerCase(GruSpec(units=2, return_sequences=True), SERIES),
    LayerCase(GruSpec(units=2, backwards=True, return_sequences=True), SERIES),
    LayerCase(GruSpec(units=2, return_sequences=True, mask_value=UNSEEN), SERIES),
    LayerCase(BidirectionalSpec(layer=SimpleRnnSpec(units=2, return_sequences=True)), SERIES),
    LayerCase(BidirectionalSpec(layer=LstmSpec(units=2, mask_value=UNSEEN)), SERIES),
    LayerCase(BidirectionalSpec(layer=GruSpec(units=2), merge="add"), SERIES),
]
