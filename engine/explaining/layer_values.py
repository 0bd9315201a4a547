"""What goes on inside a network: each layer's output for a row, its gradient, and those of the weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, size
from engine.explaining.base import ExplanationSpec
from engine.explaining.differentiable import linked, network_of, read_out, slopes_of
from engine.explaining.scores import Values

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.model import Model


class LayerValuesSpec(ExplanationSpec):
    """The output of a layer for a record, the gradient of the score there, and the layer's weights with theirs.

    All in float64 and in evaluation mode: without dropped values, with the running moments.
    """

    method: Literal["layer_values"] = "layer_values"
    layer: int = Field(ge=0, description="The layer's place, counted from 0.")
    member: int = Field(0, ge=0, description="Of a model of several networks: which one.")

    formula = (
        r"a^{(l)} = f_l(a^{(l-1)}), \quad \frac{\partial F}{\partial a^{(l-1)}} = "
        r"J_{f_l}^T \frac{\partial F}{\partial a^{(l)}}, \quad \frac{\partial F}{\partial \theta^{(l)}}"
    )
    source = "Rumelhart, Hinton & Williams 1986, Learning Representations by Back-Propagating Errors"
    cost = "one forward and backward pass a record"


@dataclass(frozen=True)
class Trace:
    """One row's way through a network and back."""

    outputs: list[Values]  # of each layer, without the batch axis
    gradients: list[Values]  # of the score with respect to each layer's output
    theta: Values  # of the score with respect to all parameters
    score: float


def trace(model: "Model", row: Array, output: int, *, logits: bool = False) -> Trace:
    """Send row (width,) through the network and the score `output` back. `logits`: that in front of the link."""
    network, _ = network_of(model)
    x: Array = row.astype(np.float64).reshape(1, *network.in_shape)
    outputs: list[Values] = []
    for layer in network.layers:
        x = layer.forward(x, train=False)
        outputs.append(x[0].copy())
    link = "identity" if logits else model.link
    answers = linked(link, x)
    means = answers.reshape(1, -1, x.shape[-1]).mean(axis=1)
    encoded = row.astype(np.float64)[np.newaxis]
    temperature = 1.0 if logits else model.assurance.temperature
    read = read_out(model.target, means, np.array([output]), encoded, temperature=temperature, logits=logits)
    gradients: list[Values] = []
    dy = slopes_of(link, answers, read.slopes)
    for layer in reversed(network.layers):
        gradients.append(dy[0].copy())
        dy = layer.backward(dy)
    return Trace(outputs, gradients[::-1], network.grad.copy(), float(read.values[0]))


def weights_of(model: "Model") -> list[dict[str, Array]]:
    """Each layer's parameters by name, as views of theta; those of layers within by path."""
    return split_by_layer(model, model.theta)


def split_by_layer(model: "Model", theta: Array) -> list[dict[str, Array]]:
    """A vector of the parameters' length as arrays, by layer and name."""
    found, start = [], 0
    for layer in model.network.build(model.encoder.shape):
        of_layer = {}
        for name, shape in layer.param_shapes.items():
            of_layer[name] = theta[start : start + size(shape)].reshape(shape)
            start += size(shape)
        found.append(of_layer)
    return found
