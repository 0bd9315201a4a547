"""Layers for tables: scaling, embeddings of numbers, members."""

from math import pi

import numpy as np

from engine.arrays import Array
from engine.export.graph import Graph
from engine.export.writer import Rule, Writer
from engine.layers import Layer, LayerSpec
from engine.layers.tabular.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.tabular.columns import ColumnsSpec
from engine.layers.tabular.member_dense import MemberDenseSpec
from engine.layers.tabular.numerical_embedding import PbldSpec, PlrSpec
from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.layers.tabular.scaling import ScalingSpec

SWAPPED = (1, 0, 2)


def columns(w: Writer, spec: ColumnsSpec, layer: Layer, x: str) -> str:
    """What each branch makes of its columns, side by side."""
    parts = []
    for runs, branch in zip(spec.columns, spec.branches, strict=True):
        places = np.concatenate([np.arange(first, stop) for first, stop in runs])
        parts.append(w.chain(branch, (len(places),), w.graph.add("Gather", x, places, axis=1)))
    return w.graph.add("Concat", *parts, axis=-1)


def scaling(w: Writer, spec: ScalingSpec, layer: Layer, x: str) -> str:
    """x s."""
    return w.graph.add("Mul", x, w.weights(layer)["s"])


def _of_each(g: Graph, x: str, matrices: Array) -> str:
    """x (rows, k, inputs) times a matrix (inputs, units) for each k."""
    y = g.add("MatMul", g.add("Transpose", x, perm=SWAPPED), matrices)
    return g.add("Transpose", y, perm=SWAPPED)


def batch_ensemble(w: Writer, spec: BatchEnsembleDenseSpec, layer: Layer, x: str) -> str:
    """((x_k r_k) W) s_k + b_k."""
    g, weights = w.graph, w.weights(layer)
    if len(layer.in_shape) == 1:  # all members take the same x
        x = g.reshape(x, (1, *layer.in_shape))
    y = g.add("MatMul", g.add("Mul", x, weights["r"]), weights["W"])
    y = g.add("Mul", y, weights["s"])
    return g.add("Add", y, weights["b"]) if spec.bias else y


def member_dense(w: Writer, spec: MemberDenseSpec, layer: Layer, x: str) -> str:
    """x_k W_k + b_k."""
    weights = w.weights(layer)
    y = _of_each(w.graph, x, weights["W"])
    return w.graph.add("Add", y, weights["b"]) if spec.bias else y


def pbld(w: Writer, spec: PbldSpec, layer: Layer, x: str) -> str:
    """[z W2 + b2, x] with z = cos(2 pi w1 x + b1)."""
    g, weights, numbers = w.graph, w.weights(layer), w.graph.reshape(x, (*layer.in_shape, 1))
    angles = g.add("Add", g.add("Mul", numbers, _turns(weights)), weights["b1"])
    sums = g.add("Add", _of_each(g, g.add("Cos", angles), weights["W2"]), weights["b2"])
    return g.reshape(g.add("Concat", sums, numbers, axis=-1), layer.out_shape)


def plr(w: Writer, spec: PlrSpec, layer: Layer, x: str) -> str:
    """max(0, z W2 + b2) with z = [sin(2 pi w1 x), cos(2 pi w1 x)]."""
    g, weights, numbers = w.graph, w.weights(layer), w.graph.reshape(x, (*layer.in_shape, 1))
    angles = g.add("Mul", numbers, _turns(weights))
    waves = g.add("Concat", g.add("Sin", angles), g.add("Cos", angles), axis=-1)
    sums = g.add("Add", _of_each(g, waves, weights["W2"]), weights["b2"])
    return g.reshape(g.add("Relu", sums), layer.out_shape)


def _turns(weights: dict[str, Array]) -> Array:
    turns: Array = weights["w1"] * np.float32(2 * pi)
    return turns


def piecewise_linear(w: Writer, spec: PiecewiseLinearEmbeddingSpec, layer: Layer, x: str) -> str:
    """w x + b + p V, where p says how much of each bin lies below x."""
    g, weights, numbers = w.graph, w.weights(layer), w.graph.reshape(x, (*layer.in_shape, 1))
    edges = np.array([spec.edges], np.float32) if spec.edges else w.states(layer)["edges"]
    widths = edges[:, 1:] - edges[:, :-1]
    slopes = np.divide(1, widths, out=np.zeros_like(widths), where=widths > 0)
    p = g.add("Clip", g.add("Mul", g.add("Sub", numbers, edges[:, :-1]), slopes), 0.0, 1.0)
    line = g.add("Add", g.add("Mul", numbers, weights["w"]), weights["b"])
    return g.reshape(g.add("Add", _of_each(g, p, weights["V"]), line), layer.out_shape)


RULES: dict[type[LayerSpec], Rule] = {
    ColumnsSpec: columns,
    ScalingSpec: scaling,
    BatchEnsembleDenseSpec: batch_ensemble,
    MemberDenseSpec: member_dense,
    PbldSpec: pbld,
    PlrSpec: plr,
    PiecewiseLinearEmbeddingSpec: piecewise_linear,
}
"""The rules of this family."""
