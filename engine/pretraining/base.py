"""What every greedy layer-wise start has in common: two layers of units that share one matrix of weights."""

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array
from engine.spec import Spec

Visible = Literal["binary", "gaussian"]


class Weights(NamedTuple):
    """The parameters of a pair of layers, or a direction in which they move."""

    W: Array  # (visible, hidden)
    a: Array  # (visible,)
    b: Array  # (hidden,)


class TiedLayers:
    """Visible units v and hidden units h, joined by the weights W in both directions.

    h = sigma(b + v W) on the way up; on the way down v = sigma(a + W h) where v is binary, a + W h
    where it is gaussian.
    """

    def __init__(self, weights: Weights, visible: Visible = "binary") -> None:
        """Take the parameters as they are, without copies."""
        self.weights = weights
        self.W, self.a, self.b = weights
        self.visible = visible

    def up(self, v: Array) -> Array:
        """The hidden units (rows, hidden) for v (rows, visible)."""
        return sigmoid(v @ self.W + self.b)

    def down(self, h: Array) -> Array:
        """The visible units (rows, visible) for h (rows, hidden)."""
        z: Array = h @ self.W.T + self.a
        return sigmoid(z) if self.visible == "binary" else z


class PretrainingSpec(Spec):
    """A way to start each hidden layer from the inputs alone, lowest first, before training proper."""

    kind: str
    visible: Visible = Field(
        "binary",
        description="What the inputs are: binary, for values from 0 to 1, or gaussian, for standardised "
        "ones. Every further layer sees probabilities, which count as binary.",
    )
    epochs: PositiveInt = Field(10, le=100_000, description="Passes over the training rows for each layer.")
    batch_size: PositiveInt = Field(32, le=65_536, description="Rows a step.")
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Factor on the gradient. Left out, it is 0.1 over binary inputs and 0.01 over gaussian "
        "ones, which bear less.",
    )
    momentum: float = Field(0.5, ge=0, lt=1, description="Share of the last step that the next one repeats.")
    weight_decay: float = Field(
        0.0002, ge=0, le=1, description="Share of W that is taken off its gradient; biases are free."
    )

    def rate_over(self, visible: Visible) -> float:
        """The learning rate of a layer over such inputs."""
        return self.learning_rate or (0.1 if visible == "binary" else 0.01)

    def over(self, weights: Weights, visible: Visible) -> TiedLayers:
        """The pair of layers with these parameters."""
        raise NotImplementedError

    def gradient(self, layers: TiedLayers, v: Array, rng: np.random.Generator) -> Weights:
        """The direction in which a batch v (rows, visible) moves the parameters of what `over` made."""
        raise NotImplementedError


def sigmoid(z: Array) -> Array:
    """sigma(z) = (1 + tanh(z / 2)) / 2, in place."""
    z *= 0.5
    np.tanh(z, out=z)
    z *= 0.5
    z += 0.5
    return z
