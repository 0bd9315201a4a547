"""One layer after the other: the lowest learns from the inputs, each further one from the layer below."""

from collections.abc import Iterator

import numpy as np

from engine.arrays import Array
from engine.checkpoint import Checkpoint
from engine.layers.activations.base import SigmoidSpec
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


class Pretraining:
    """The start of the dense layers of `stack` from x (rows, *in_shape), lowest first."""

    def __init__(self, spec: PretrainingSpec, network: Network, x: Array, rng: np.random.Generator) -> None:
        """Nothing changes before `run`; `rng` draws all that is random."""
        self._spec = spec
        self._parameters = {
            segment.name: network.theta[segment.slice].reshape(segment.shape) for segment in network.segments
        }
        self._stack = stack(network.spec)
        self._rows = x.reshape(len(x), -1)
        self._rng = rng
        self._ascents: list[_Ascent] = []  # of the layers so far; the last one learns
        self._epochs = self._batches = 0  # done with that layer, and of its epoch

    def run(self) -> Iterator[TiedLayers]:
        """Yields after every step the pair of layers that learns at the moment."""
        while len(self._ascents) < len(self._stack) or self._epochs < self._spec.epochs:
            if not self._ascents or self._epochs == self._spec.epochs:
                self._begin_layer()
            if not self._batches:
                self._draw_order()
            yield from self._rest_of_epoch()
            self._epochs, self._batches = self._epochs + 1, 0

    def _begin_layer(self) -> None:
        weights = self._add_layer().layers.weights
        weights.W[:] = self._rng.normal(0, START_STD, weights.W.shape)
        weights.b[:] = 0
        self._epochs = 0

    def _add_layer(self) -> "_Ascent":
        """The next layer, with the weights that the network has."""
        i = self._stack[len(self._ascents)]
        start, bias = self._parameters[f"{i}.W"], self._parameters[f"{i}.b"]
        weights = Weights(start, np.zeros(len(start), start.dtype), bias)
        layers = self._spec.over(weights, "binary" if self._ascents else self._spec.visible)
        self._ascents.append(_Ascent(self._spec, layers))
        return self._ascents[-1]

    def _draw_order(self) -> None:
        """Each epoch has an order of its own."""
        self._before_order = self._rng.bit_generator.state
        self._order = self._rng.permutation(len(self._rows))

    def _rest_of_epoch(self) -> Iterator[TiedLayers]:
        *below, ascent = self._ascents
        size = self._spec.batch_size
        for start in range(self._batches * size, len(self._rows), size):
            v = self._rows[self._order[start : start + size]]
            for lower in below:
                v = lower.layers.up(v)
            ascent.step(v, self._rng)
            self._batches += 1
            yield ascent.layers

    def checkpoint(self) -> Checkpoint:
        """The position after a step, but for the weights that are the network's."""
        facts = {
            "layers": len(self._ascents),
            "epochs": self._epochs,
            "batches": self._batches,
            "before_order": self._before_order,
            "generator": self._rng.bit_generator.state,
        }
        return Checkpoint.of(facts, ascent=self._ascents[-1].checkpoint())

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there, once the network has its weights; raises `CheckpointMismatch`."""
        facts = checkpoint.facts
        for _ in range(facts["layers"]):  # the lower ones' visible biases are not needed any more
            self._add_layer()
        self._ascents[-1].resume(checkpoint.part("ascent"))
        self._epochs, self._batches = facts["epochs"], facts["batches"]
        self._rng.bit_generator.state = facts["before_order"]
        self._draw_order()
        self._rng.bit_generator.state = facts["generator"]


class _Ascent:
    """Gradient ascent with momentum and weight decay on one pair of layers."""

    def __init__(self, spec: PretrainingSpec, layers: TiedLayers) -> None:
        self.layers = layers
        self._spec = spec
        self._rate = spec.rate_over(layers.visible)
        self._last = Weights(*map(np.zeros_like, layers.weights))

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is seen when training begins
    def step(self, v: Array, rng: np.random.Generator) -> None:
        """step = momentum step + rate (gradient - weight_decay W); W += step, and so for a and b."""
        gradient = self._spec.gradient(self.layers, v, rng)
        np.subtract(gradient.W, self._spec.weight_decay * self.layers.W, out=gradient.W)
        for weights, step, slope in zip(self.layers.weights, self._last, gradient, strict=True):
            np.multiply(step, self._spec.momentum, out=step)
            np.add(step, self._rate * slope, out=step)
            np.add(weights, step, out=weights)

    def checkpoint(self) -> Checkpoint:
        """The last step, and the biases that are not the network's."""
        return Checkpoint({"biases": self.layers.a, **self._last._asdict()})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there."""
        checkpoint.fill(biases=self.layers.a, **self._last._asdict())
