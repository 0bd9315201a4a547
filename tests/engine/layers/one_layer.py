"""One layer as a network, and its numbers by name."""

import numpy as np

from engine.arrays import Array, Shape
from engine.layers import LayerSpec
from engine.network import Network, NetworkSpec


def network_of(
    *layers: LayerSpec,
    in_shape: Shape,
    x: Array | None = None,
    seed: int = 0,
    batch: int = 1000,
    dtype: type[np.floating] = np.float64,
) -> Network:
    """The network of these layers, started from `x` where it is given."""
    spec = NetworkSpec(layers=layers).resolve(1)
    network = Network(
        spec, in_shape, batch=batch, rng=np.random.default_rng(0), dtype=dtype, input_gradient=True
    )
    network.init(np.random.default_rng(seed), x)
    return network


def by_name(network: Network, values: Array) -> dict[str, Array]:
    """Views of `values`, the parameters or their gradients, by the names that the first layer gives them."""
    return {
        segment.name.removeprefix("0."): values[segment.slice].reshape(segment.shape)
        for segment in network.segments
        if segment.name.startswith("0.")
    }


def randomize(network: Network, seed: int = 1) -> dict[str, Array]:
    """Random parameters, by name: no start that would hide a term."""
    network.theta[:] = np.random.default_rng(seed).normal(0, 0.7, network.theta.size)
    return by_name(network, network.theta)
