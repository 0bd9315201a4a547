"""Recurrent layers: a Scan over the steps, which ONNX's own LSTM, GRU and RNN could not say where steps are padding."""

from collections.abc import Callable, Mapping

import numpy as np

from engine.arrays import Array
from engine.export.graph import Graph
from engine.export.layers.masking import padded_steps
from engine.export.writer import Rule, Writer
from engine.layers import Layer, LayerSpec
from engine.layers.recurrent.base import RecurrentSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec

Step = Callable[[Graph, list[str], str, Mapping[str, Array]], list[str]]
"""Adds one step to a graph: the states before it, W^T x_t + b, the parameters -> the states after it, h first."""


def simple_rnn(g: Graph, states: list[str], z: str, weights: Mapping[str, Array]) -> list[str]:
    """h = tanh(z)."""
    return [g.add("Tanh", g.add("Add", z, g.add("MatMul", states[0], weights["U"])))]


def lstm(g: Graph, states: list[str], z: str, weights: Mapping[str, Array]) -> list[str]:
    """c = f c + i g; h = o tanh(c)."""
    h, c = states
    units = weights["U"].shape[0]
    z = g.add("Add", z, g.add("MatMul", h, weights["U"]))
    i, f, o = (g.add("Sigmoid", g.part(z, k * units, (k + 1) * units)) for k in range(3))
    candidate = g.add("Tanh", g.part(z, 3 * units, 4 * units))
    c = g.add("Add", g.add("Mul", f, c), g.add("Mul", i, candidate))
    return [g.add("Mul", o, g.add("Tanh", c)), c]


def gru(g: Graph, states: list[str], z: str, weights: Mapping[str, Array]) -> list[str]:
    """n = tanh(n + r u); h = n + z (h - n)."""
    [h] = states
    units = weights["U"].shape[0]
    of_h = g.add("MatMul", h, weights["U"])
    blocks = [(k * units, (k + 1) * units) for k in range(3)]
    reset, update = (
        g.add("Sigmoid", g.add("Add", g.part(z, *block), g.part(of_h, *block))) for block in blocks[:2]
    )
    u = g.add("Add", g.part(of_h, *blocks[2]), weights["b_u"])
    n = g.add("Tanh", g.add("Add", g.part(z, *blocks[2]), g.add("Mul", reset, u)))
    return [g.add("Add", n, g.add("Mul", update, g.add("Sub", h, n)))]


STEPS: dict[type[RecurrentSpec], tuple[Step, int]] = {
    SimpleRnnSpec: (simple_rnn, 1),
    LstmSpec: (lstm, 2),
    GruSpec: (gru, 1),
}
"""The step of each layer, and how many states it carries."""


def recurrent(w: Writer, spec: RecurrentSpec, layer: Layer, x: str) -> str:
    """The state after the last step, or after each of them."""
    g, weights, units = w.graph, w.weights(layer), spec.units
    step, many = STEPS[type(spec)]
    bias = weights["b"]
    if isinstance(spec, GruSpec):  # its third block belongs to the product with U
        weights["b_u"] = bias[2 * units : 3 * units]
        bias = np.concatenate([bias[: 2 * units], bias[3 * units :]])
    z = g.add("Add", g.add("MatMul", x, weights["W"]), bias)
    series = [z] if spec.mask_value is None else [z, padded_steps(g, x, spec.mask_value)]
    body = g.inner()
    before = [body.input("state", "float32", ("rows", units)) for _ in range(many)]
    z_t = body.input("step", "float32", ("rows", bias.size))
    after = step(body, before, z_t, weights)
    if spec.mask_value is not None:
        padded = body.input("padded", "bool", ("rows", 1))
        after = [body.add("Where", padded, *pair) for pair in zip(before, after, strict=True)]
    for state in (*after, after[0]):
        body.output("after", state, "float32", ("rows", units))
    rows = g.add("Concat", g.add("Shape", x, start=0, end=1), g.sizes(units), axis=0)
    zero = g.add("ConstantOfShape", rows)
    direction = int(spec.backwards)
    *states, outputs = g.add_several(
        "Scan",
        many + 1,
        *[zero] * many,
        *series,
        body=body,
        num_scan_inputs=len(series),
        scan_input_axes=(1,) * len(series),
        scan_output_axes=(1,),
        scan_input_directions=(direction,) * len(series),
        scan_output_directions=(direction,),
    )
    return outputs if spec.return_sequences else states[0]


RULES: dict[type[LayerSpec], Rule] = dict.fromkeys((SimpleRnnSpec, LstmSpec, GruSpec), recurrent)
"""The rules of this family."""
