"""Networks for series: their layers, parameters counted by hand, and one step of training each."""

import numpy as np
import pytest
from pydantic import ValidationError

from engine.losses import MseSpec
from engine.network import Network
from engine.summary import summarize
from engine.templates import GruTemplateSpec, LstmTemplateSpec, TransformerSmallSpec


def test_lstm_by_hand():
    units, features = 64, 3
    expected = 4 * units * (features + units + 1) + units + 1
    network = LstmTemplateSpec(steps=10, features=features).build()
    assert network.row_shape == (10, features)
    assert summarize(network.resolve(1), (10, features)).parameters == expected


def test_the_number_of_steps_may_be_left_out():
    network = GruTemplateSpec(features=2).build()
    assert network.row_shape is None
    for width in (2, 12):
        assert summarize(network.resolve(1), (width,)).layers[0].output_shape == [width // 2, 2]


def test_deep_and_in_both_directions():
    template = LstmTemplateSpec(depth=3, units=4, bidirectional=True, dropout=0.1)
    layers = template.build().layers
    assert [layer.kind for layer in layers] == ["reshape", *["bidirectional", "dropout"] * 3, "dense"]
    assert [layer.layer.return_sequences for layer in layers[1:-1:2]] == [True, True, False]
    assert summarize(template.build().resolve(1), (5,)).layers[-2].output_shape == [8]


def test_transformer_by_hand():
    width, depth = 8, 2
    attention = 4 * width * (width + 1)
    feed_forward = width * 4 * width + 4 * width + 4 * width * width + width
    norm = 2 * width
    expected = (3 + 1) * width + depth * (attention + feed_forward + 2 * norm) + norm + width + 1
    template = TransformerSmallSpec(features=3, width=width, heads=2, depth=depth)
    assert summarize(template.build().resolve(1), (5, 3)).parameters == expected


@pytest.mark.parametrize(
    "template",
    [
        LstmTemplateSpec(units=3, depth=2, dropout=0.2),
        LstmTemplateSpec(units=3, bidirectional=True),
        GruTemplateSpec(units=3, features=2),
        TransformerSmallSpec(width=4, heads=2, depth=1, features=2),
    ],
    ids=lambda template: template.kind,
)
def test_a_step_of_training(template):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 8)).astype(np.float32)
    network = Network(template.build().resolve(2), (8,), batch=5, rng=np.random.default_rng(1))
    network.init(np.random.default_rng(2))
    loss = MseSpec().build((2,), batch=5, dtype=network.dtype)
    slopes = np.empty((5, 2), np.float32)
    y = np.ones((5, 2), np.float32)
    losses = []
    for _ in range(30):
        losses.append(loss(network.forward(x, train=True), y, None, slopes))
        network.backward(slopes)
        network.theta -= 0.05 * network.grad
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValidationError, match="3 heads do not divide the width of 8"):
        TransformerSmallSpec(width=8, heads=3)
