"""Dense layers, embeddings, shapes, combinators."""

from math import sqrt

import numpy as np

from engine.arrays import Array
from engine.export.graph import Graph
from engine.export.writer import Rule, Writer
from engine.layers import Layer, LayerSpec
from engine.layers.combinators import ParallelSpec, ResidualSpec, SequentialSpec
from engine.layers.dense import DenseSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.embedding_bag import EmbeddingBagSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.maxout import MaxoutSpec
from engine.layers.ordered_logits import OrderedLogitsSpec
from engine.layers.recurrent.bidirectional import BidirectionalSpec
from engine.layers.reshape import PermuteSpec, ReshapeSpec

MERGES = {"add": "Add", "multiply": "Mul"}


def dense(w: Writer, spec: DenseSpec, layer: Layer, x: str) -> str:
    """x W + b; in the ntp form the product is divided by the root of the inputs."""
    weights = w.weights(layer)
    y = w.graph.add("MatMul", x, weights["W"])
    if spec.parametrization == "ntp":
        y = w.graph.add("Mul", y, 1 / sqrt(layer.in_shape[0]))
    return w.graph.add("Add", y, weights["b"]) if spec.bias else y


def maxout(w: Writer, spec: MaxoutSpec, layer: Layer, x: str) -> str:
    """The largest of the pieces of x W + b."""
    g, weights = w.graph, w.weights(layer)
    sums = g.add("Add", g.add("MatMul", x, weights["W"]), weights["b"])
    return g.add("ReduceMax", g.reshape(sums, (spec.pieces, spec.units)), g.sizes(1), keepdims=0)


def embedding(w: Writer, spec: EmbeddingSpec, layer: Layer, x: str) -> str:
    """W[x], and W[0] where x is no id."""
    vectors = w.weights(layer)["W"]
    if spec.zero_is_padding:
        vectors = _without_first(vectors)
    return w.graph.add("Gather", vectors, _ids(w.graph, x, spec.size), axis=0)


def embedding_bag(w: Writer, spec: EmbeddingBagSpec, layer: Layer, x: str) -> str:
    """The sum of W[x] over all ids but 0, divided by their number for a mean."""
    g, ids = w.graph, _ids(w.graph, x, spec.size)
    vectors = g.add("Gather", _without_first(w.weights(layer)["W"]), ids, axis=0)
    y = g.add("ReduceSum", vectors, g.sizes(-2), keepdims=0)
    if spec.combine == "sum":
        return y
    there = g.add("Where", g.add("Equal", ids, g.sizes(0)), 0.0, 1.0)
    return g.add("Div", y, g.add("Max", g.add("ReduceSum", there, g.sizes(-1), keepdims=1), 1.0))


def _ids(g: Graph, x: str, size: int) -> str:
    """x as whole numbers, 0 where it is no id."""
    within = g.add("And", g.add("GreaterOrEqual", x, 0.0), g.add("Less", x, float(size)))
    is_id = g.add("And", g.add("Equal", g.add("Floor", x), x), within)
    return g.add("Cast", g.add("Where", is_id, x, 0.0), to="int64")


def _without_first(vectors: Array) -> Array:
    """The vectors with zeros for that of id 0."""
    vectors = vectors.copy()
    vectors[0] = 0
    return vectors


def reshaped(w: Writer, spec: LayerSpec, layer: Layer, x: str) -> str:
    """The same numbers in another shape."""
    return w.graph.reshape(x, layer.out_shape)


def permute(w: Writer, spec: PermuteSpec, layer: Layer, x: str) -> str:
    """The axes in another order."""
    return w.graph.add("Transpose", x, perm=(0, *spec.axes))


def ordered_logits(w: Writer, spec: OrderedLogitsSpec, layer: Layer, x: str) -> str:
    """x_1 less the running sum of softplus(x_2), ...: a product with a triangle of ones."""
    g, places = w.graph, layer.in_shape[-1]
    first = np.arange(places) == 0
    falls = g.add("Where", first, x, g.add("Neg", g.add("Softplus", x)))
    return g.add("MatMul", falls, np.triu(np.ones((places, places), np.float32)))


def sequential(w: Writer, spec: SequentialSpec, layer: Layer, x: str) -> str:
    """One after the other."""
    return w.chain(spec.layers, layer.in_shape, x)


def residual(w: Writer, spec: ResidualSpec, layer: Layer, x: str) -> str:
    """F(x) + S(x)."""
    body = w.chain(spec.layers, layer.in_shape, x)
    return w.graph.add("Add", body, w.chain(spec.shortcut, layer.in_shape, x))


def side_by_side(w: Writer, spec: ParallelSpec | BidirectionalSpec, layer: Layer, x: str) -> str:
    """The outputs of all chains, added, multiplied, or along the last axis."""
    outputs = [w.chain(chain, layer.in_shape, x) for chain in spec.chains]
    if spec.merge == "concatenate":
        return w.graph.add("Concat", *outputs, axis=-1)
    merged = outputs[0]
    for output in outputs[1:]:
        merged = w.graph.add(MERGES[spec.merge], merged, output)
    return merged


RULES: dict[type[LayerSpec], Rule] = {
    DenseSpec: dense,
    MaxoutSpec: maxout,
    EmbeddingSpec: embedding,
    EmbeddingBagSpec: embedding_bag,
    FlattenSpec: reshaped,
    ReshapeSpec: reshaped,
    PermuteSpec: permute,
    OrderedLogitsSpec: ordered_logits,
    SequentialSpec: sequential,
    ResidualSpec: residual,
    ParallelSpec: side_by_side,
    BidirectionalSpec: side_by_side,
}
"""The rules of this family."""
