"""Normalisations, as evaluation computes them."""

import numpy as np

from engine.export.graph import Graph
from engine.export.writer import Rule, Writer
from engine.layers import Layer, LayerSpec
from engine.layers.normalization.batch import BatchNormalizationSpec
from engine.layers.normalization.group import GroupNormalizationSpec
from engine.layers.normalization.layer import LayerNormalizationSpec, RmsNormalizationSpec
from engine.layers.normalization.local_response import LocalResponseNormalizationSpec


def batch(w: Writer, spec: BatchNormalizationSpec, layer: Layer, x: str) -> str:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, with the running moments."""
    g, weights, running = w.graph, w.weights(layer), w.states(layer)
    scale = weights["gamma"] / np.sqrt(running["running_variance"] + np.float32(spec.epsilon))
    centred = g.add("Sub", x, running["running_mean"])
    return g.add("Add", g.add("Mul", centred, scale), weights["beta"])


def divided(g: Graph, x: str, axes: tuple[int, ...], epsilon: float) -> str:
    """x / sqrt(mean of x^2 + epsilon), the mean over `axes`."""
    strength = g.add("Add", g.mean(g.add("Mul", x, x), *axes), epsilon)
    return g.add("Div", x, g.add("Sqrt", strength))


def standardized(g: Graph, x: str, axes: tuple[int, ...], epsilon: float) -> str:
    """(x - mean) / sqrt(variance + epsilon), both over `axes`."""
    return divided(g, g.add("Sub", x, g.mean(x, *axes)), axes, epsilon)


def layer_norm(w: Writer, spec: LayerNormalizationSpec, layer: Layer, x: str) -> str:
    """Over the last axis."""
    g, weights = w.graph, w.weights(layer)
    values = standardized(g, x, (-1,), spec.epsilon)
    return g.add("Add", g.add("Mul", values, weights["gamma"]), weights["beta"])


def rms_norm(w: Writer, spec: RmsNormalizationSpec, layer: Layer, x: str) -> str:
    """Over the last axis, without the mean."""
    return w.graph.add("Mul", divided(w.graph, x, (-1,), spec.epsilon), w.weights(layer)["gamma"])


def group(w: Writer, spec: GroupNormalizationSpec, layer: Layer, x: str) -> str:
    """Over all positions of a row and the channels of each group."""
    g, weights, channels = w.graph, w.weights(layer), layer.in_shape[-1]
    positions = int(np.prod(layer.in_shape[:-1], dtype=np.int64))
    groups = g.reshape(x, (positions, spec.groups, channels // spec.groups))
    values = g.reshape(standardized(g, groups, (1, 3), spec.epsilon), layer.in_shape)
    return g.add("Add", g.add("Mul", values, weights["gamma"]), weights["beta"])


def local_response(w: Writer, spec: LocalResponseNormalizationSpec, layer: Layer, x: str) -> str:
    """x (k + alpha sum of the neighbouring x^2)^-beta: the sum is a product with a band of ones."""
    g, place = w.graph, np.arange(layer.in_shape[-1])
    distance = place[:, None] - place  # from the channel to its neighbour
    band = ((distance >= -((spec.n - 1) // 2)) & (distance <= spec.n // 2)).astype(np.float32)
    sums = g.add("Mul", g.add("MatMul", g.add("Mul", x, x), band), spec.alpha)
    return g.add("Mul", x, g.add("Pow", g.add("Add", sums, spec.k), -spec.beta))


RULES: dict[type[LayerSpec], Rule] = {
    BatchNormalizationSpec: batch,
    LayerNormalizationSpec: layer_norm,
    RmsNormalizationSpec: rms_norm,
    GroupNormalizationSpec: group,
    LocalResponseNormalizationSpec: local_response,
}
"""The rules of this family."""
