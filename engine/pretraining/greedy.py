"""One layer after the other: the lowest learns from the inputs, each further one from the layer below."""

from collections.abc import Iterator

import numpy as np

from engine.arrays import Array
from engine.layers.activations import SigmoidSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.noise import GaussianNoiseSpec
from engine.layers.reshape import ReshapeSpec
from engine.network import Network, NetworkSpec
from engine.pretraining.base import PretrainingSpec, TiedLayers, Weights
from engine.spec import InvalidSpec

START_STD = 0.01  # Hinton 2010, A practical guide to training restricted Boltzmann machines, section 8.1

# Layers that in evaluation pass on the numbers that they get, in the same order.
_PASS_ON = (DropoutSpec, FlattenSpec, GaussianNoiseSpec, ReshapeSpec)


def stack(network: NetworkSpec) -> list[int]:
    """The indices of the dense layers that are pretrained: those before a sigmoid, from the first layer on.

    Layers that pass their input on may stand between, such as dropout. Raises `InvalidSpec` for a network
    that does not begin with a dense layer and a sigmoid.
    """
    layers = network.layers
    found: list[int] = []
    i = 0
    while i + 2 < len(layers):  # what follows the last sigmoid makes the outputs
        layer = layers[i]
        if isinstance(layer, DenseSpec) and isinstance(layers[i + 1], SigmoidSpec):
            _check_dense(layer, i)
            found.append(i)
            i += 2
        elif isinstance(layer, _PASS_ON):
            i += 1
        else:
            break
    if not found:
        raise InvalidSpec(
            "pretraining starts dense layers that are followed by a sigmoid, but the network does not begin "
            "with one: make it dense, sigmoid, ..., dense, as the template dbn does",
            ("network", "layers", 0),
        )
    return found


def _check_dense(layer: DenseSpec, i: int) -> None:
    at = ("network", "layers", i)
    if not layer.bias:
        raise InvalidSpec("pretraining needs the hidden bias", (*at, "bias"))
    if layer.parametrization != "standard":
        raise InvalidSpec("pretraining needs weights that count as they are", (*at, "parametrization"))


def check_inputs(spec: PretrainingSpec, x: Array) -> None:
    """Raise `InvalidSpec` where `spec` takes the inputs x (rows, ...) for something that they are not."""
    low, high = float(x.min()), float(x.max())
    if spec.visible == "binary" and not 0 <= low <= high <= 1:
        raise InvalidSpec(
            f"binary inputs are from 0 to 1, but these are from {low:.4g} to {high:.4g}: "
            "take gaussian ones, or the scaling unit where no value is negative",
            ("visible",),
        )


def pretrain(
    spec: PretrainingSpec, network: Network, x: Array, rng: np.random.Generator
) -> Iterator[TiedLayers]:
    """Give the dense layers of `stack` their start from x (rows, *in_shape); yields after every step.

    What is yielded is the pair of layers that learns at the moment.
    """
    parameters = {
        segment.name: network.theta[segment.slice].reshape(segment.shape) for segment in network.segments
    }
    rows = x.reshape(len(x), -1)
    below: list[TiedLayers] = []
    for i in stack(network.spec):
        start, bias = parameters[f"{i}.W"], parameters[f"{i}.b"]
        start[:] = rng.normal(0, START_STD, start.shape)
        bias[:] = 0
        weights = Weights(start, np.zeros(len(start), start.dtype), bias)
        layers = spec.over(weights, "binary" if below else spec.visible)
        ascent = _Ascent(spec, layers)
        for batch in _batches(rows, spec, rng):
            v = batch
            for lower in below:
                v = lower.up(v)
            ascent.step(v, rng)
            yield layers
        below.append(layers)


class _Ascent:
    """Gradient ascent with momentum and weight decay on one pair of layers."""

    def __init__(self, spec: PretrainingSpec, layers: TiedLayers) -> None:
        self._spec, self._layers = spec, layers
        self._rate = spec.rate_over(layers.visible)
        self._last = Weights(*map(np.zeros_like, layers.weights))

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is seen when training begins
    def step(self, v: Array, rng: np.random.Generator) -> None:
        """step = momentum step + rate (gradient - weight_decay W); W += step, and so for a and b."""
        gradient = self._spec.gradient(self._layers, v, rng)
        np.subtract(gradient.W, self._spec.weight_decay * self._layers.W, out=gradient.W)
        for weights, step, slope in zip(self._layers.weights, self._last, gradient, strict=True):
            np.multiply(step, self._spec.momentum, out=step)
            np.add(step, self._rate * slope, out=step)
            np.add(weights, step, out=weights)


def _batches(rows: Array, spec: PretrainingSpec, rng: np.random.Generator) -> Iterator[Array]:
    """The batches of all epochs, each epoch in an order of its own."""
    for _ in range(spec.epochs):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), spec.batch_size):
            yield rows[order[start : start + spec.batch_size]]
