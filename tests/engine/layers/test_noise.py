"""Noise layers: what they do, how often, and when."""

import numpy as np
import pytest
from one_layer import network_of
from pydantic import ValidationError

from engine.arrays import Array, Shape
from engine.layers import LayerSpec
from engine.layers.noise import GaussianNoiseSpec, SpatialDropoutSpec
from engine.network import Network
from engine.spec import InvalidSpec

NOISY = [SpatialDropoutSpec(rate=0.5), GaussianNoiseSpec(std=0.3)]


def drawing(spec: LayerSpec, seed: int = 0, shape: Shape = (4, 5, 60), dtype: type = np.float64) -> Network:
    """A network whose noise follows `seed`."""
    rng = np.random.default_rng(seed)
    spec_of_one = network_of(spec, in_shape=shape).spec
    return Network(spec_of_one, shape, batch=200, rng=rng, dtype=dtype, input_gradient=True)


def ones(shape: Shape = (4, 5, 60), dtype: type = np.float64) -> Array:
    return np.ones((200, *shape), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(4, 5, 60), (7, 60)], ids=str)
def test_channels_are_dropped_as_a_whole(rate: float, shape: Shape, dtype: type) -> None:
    """Over n channels the share dropped has the deviation sqrt(p (1 - p) / n); five of them are allowed."""
    y = drawing(SpatialDropoutSpec(rate=rate), shape=shape, dtype=dtype).forward(
        ones(shape, dtype), train=True
    )
    channels = y.reshape(200, -1, 60)
    assert (channels == channels[:, :1]).all(), "every position of a channel has the same fate"
    dropped = channels[:, 0] == 0
    assert dropped.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / dropped.size))
    np.testing.assert_allclose(channels[:, 0][~dropped], 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_has_its_mean_and_deviation(dtype: type) -> None:
    """The mean of n numbers has the deviation sigma / sqrt(n), their deviation sigma / sqrt(2n)."""
    noise = drawing(GaussianNoiseSpec(std=0.3), dtype=dtype).forward(ones(dtype=dtype), train=True) - 1
    assert noise.mean() == pytest.approx(0, abs=5 * 0.3 / np.sqrt(noise.size))
    assert noise.std() == pytest.approx(0.3, abs=5 * 0.3 / np.sqrt(2 * noise.size))


@pytest.mark.parametrize("spec", NOISY)
def test_noise_follows_the_seed(spec: LayerSpec) -> None:
    one, same, other = drawing(spec, 1), drawing(spec, 1), drawing(spec, 2)
    y = one.forward(ones(), train=True).copy()
    np.testing.assert_array_equal(same.forward(ones(), train=True), y)
    assert (other.forward(ones(), train=True) != y).any()
    assert (one.forward(ones(), train=True) != y).any(), "every batch has noise of its own"


@pytest.mark.parametrize("spec", NOISY)
def test_evaluation_changes_nothing_and_draws_nothing(spec: LayerSpec) -> None:
    undisturbed, network = drawing(spec), drawing(spec)
    x = np.random.default_rng(1).standard_normal((200, 4, 5, 60))
    np.testing.assert_array_equal(network.forward(x, train=False), x)
    np.testing.assert_array_equal(network.backward(x.copy()), x)
    np.testing.assert_array_equal(network.forward(x, train=True), undisturbed.forward(x, train=True))


@pytest.mark.parametrize("spec", [SpatialDropoutSpec(rate=0), GaussianNoiseSpec(std=0)])
def test_no_noise_changes_nothing(spec: LayerSpec) -> None:
    np.testing.assert_array_equal(drawing(spec).forward(ones(), train=True), ones())


def test_spatial_dropout_needs_channels_of_several_values() -> None:
    with pytest.raises(InvalidSpec, match="two axes or more"):
        SpatialDropoutSpec().build((8,))


@pytest.mark.parametrize("make", [lambda: SpatialDropoutSpec(rate=1), lambda: GaussianNoiseSpec(std=-1)])
def test_bounds(make) -> None:
    with pytest.raises(ValidationError):
        make()
