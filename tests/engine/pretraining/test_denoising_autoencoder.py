"""The gradient of autoencoders with tied weights against central differences."""

import numpy as np
import pytest

from engine.pretraining.autoencoder import Autoencoder, AutoencoderPretrainingSpec
from engine.pretraining.base import Weights


def autoencoder(kind):
    rng = np.random.default_rng(0)
    return Autoencoder(
        Weights(rng.normal(0, 0.7, (4, 3)), rng.normal(0, 0.5, 4), rng.normal(0, 0.5, 3)), kind
    )


@pytest.mark.parametrize("kind", ["binary", "gaussian"])
def test_gradient_is_where_the_loss_falls(kind):
    layers = autoencoder(kind)
    rng = np.random.default_rng(1)
    v = rng.random((5, 4))
    seen = v * (rng.random(v.shape) < 0.7)
    step = 1e-6
    for parameter, slopes in zip(layers.weights, layers.gradient(v, seen), strict=True):
        for at in np.ndindex(parameter.shape):
            value = parameter[at]
            parameter[at] = value + step
            above = layers.loss(v, seen)
            parameter[at] = value - step
            below = layers.loss(v, seen)
            parameter[at] = value
            assert slopes[at] == pytest.approx((below - above) / (2 * step), rel=1e-6, abs=1e-8)


def test_loss_is_the_formula():
    layers = autoencoder("binary")
    v = np.random.default_rng(2).random((5, 4))
    r = layers.down(layers.up(v))
    expected = -np.mean(np.sum(v * np.log(r) + (1 - v) * np.log(1 - r), axis=1))
    assert layers.loss(v, v) == pytest.approx(expected, rel=1e-12)


def test_the_share_of_inputs_that_is_taken_away():
    seen = []
    spec = AutoencoderPretrainingSpec(corruption=0.3)
    layers = autoencoder("binary")
    layers.gradient = lambda v, corrupted: seen.append(corrupted)
    spec.gradient(layers, np.ones((5000, 4)), np.random.default_rng(3))
    assert set(np.unique(seen[0])) == {0, 1}
    assert seen[0].mean() == pytest.approx(0.7, abs=0.02)
