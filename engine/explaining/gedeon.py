"""Gedeon's measure: how much of the first two layers' weights comes from each input. It needs no data."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec, Unexplainable
from engine.explaining.layer_values import weights_of
from engine.explaining.scores import Values

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.model import Model


class GedeonSpec(ExplanationSpec):
    """The share of each input in the absolute weights of the first two dense layers, as H2O computes it.

    It looks at weights alone: fast, and blind to the values that a feature takes and to layers further on. A
    feature's importance is the sum of its inputs', again with the largest shown as 1.
    """

    method: Literal["gedeon"] = "gedeon"

    formula = (
        r"P_{ij} = \frac{|w_{ij}|}{\sum_{i'} |w_{i'j}|}, \quad Q_{ik} = \sum_j P_{ij} P_{jk}, \quad "
        r"I_i = \sum_k \frac{Q_{ik}}{\sum_{i'} Q_{i'k}}, \quad \text{shown as } I_i / \max_{i'} I_{i'}"
    )
    source = (
        "Gedeon 1997, Data Mining of Inputs: Analysing Magnitude and Functional Measures; H2O Deep Learning"
    )
    cost = "no pass: two matrices"


def gedeon(first: Array, second: Array | None) -> Values:
    """The importance of each input, the largest 1, from W1 (inputs, hidden) and W2 (hidden, outputs).

    Without a second matrix the first alone tells.
    """
    shares = _shares(first)
    q = shares if second is None else shares @ _shares(second)
    importance = _shares(q).sum(axis=1)
    scaled: Values = importance / importance.max() if importance.any() else importance
    return scaled


def _shares(weights: Array) -> Values:
    """The absolute values, such that each column adds up to 1; a column of zeros stays."""
    sizes: Values = np.abs(weights.astype(np.float64))
    sums = sizes.sum(axis=0)
    shares: Values = sizes / np.where(sums > 0, sums, 1.0)
    return shares


def first_matrices(model: "Model") -> tuple[Array, Array | None]:
    """The weights of the first two dense layers; raises `Unexplainable` where something else mixes the inputs."""
    matrices: list[Array] = []
    for place, (layer, weights) in enumerate(zip(model.network.layers, weights_of(model), strict=True)):
        if len(matrices) == 2:
            break
        if layer.kind == "dense":
            matrices.append(weights["W"])
        elif weights or not (layer.is_activation or layer.kind in {"dropout", "flatten", "gaussian_noise"}):
            if matrices:
                break
            raise Unexplainable(
                f"Gedeon's measure needs a network that begins with dense layers; layer {place} is a {layer.kind}"
            )
    if not matrices or len(matrices[0]) != model.encoder.width:
        raise Unexplainable("Gedeon's measure needs a network whose first dense layer reads the encoded row")
    return matrices[0], matrices[1] if len(matrices) == 2 else None
