"""What follows a network in a graph: the link, the mean of the members, the target's unit, the temperature."""

import numpy as np

from engine.arrays import Array
from engine.encoding.target import AnyTarget, ClassTarget, RegressionTarget
from engine.export.graph import Graph
from engine.losses import LARGEST_LOGARITHM
from engine.tasks import Link, Task
from engine.trust.temperature import DISTRIBUTIONS


def double(number: float) -> Array:
    """A number as float64, in which answers are made."""
    return np.array(number, np.float64)


def answers(g: Graph, link: Link, target: AnyTarget, z: str, *, members: bool) -> str:
    """A network's outputs z -> `Model.plain_answers_to`: probabilities or values in the target's unit, float64.

    `members`: whether z are the outputs (members, outputs) of several.
    """
    outputs = linked(g, link, g.add("Cast", z, to="float64"))
    if members:
        outputs = g.add("ReduceMean", outputs, g.sizes(1), keepdims=0)
    return in_unit(g, target, outputs)


def assured(g: Graph, task: Task, temperature: float, answers: str) -> str:
    """Answers as they are at a temperature, see `engine.trust.temperature`."""
    if temperature == 1:
        return answers
    return _tempered(g, answers, temperature, several=task in DISTRIBUTIONS)


def linked(g: Graph, link: Link, z: str) -> str:
    """The link of float64 outputs."""
    match link:
        case "sigmoid":
            return _sigmoid(g, z)
        case "softmax":
            return g.add("Softmax", z, axis=-1)
        case "exp":
            cut = g.add("Min", g.add("Max", z, double(-LARGEST_LOGARITHM)), double(LARGEST_LOGARITHM))
            return g.add("Exp", cut)
        case "identity":
            return z


def in_unit(g: Graph, target: AnyTarget, outputs: str) -> str:
    """What the target makes of outputs after the link."""
    if isinstance(target, ClassTarget) and target.kind == "ordinal":
        first = g.add("Sub", double(1), g.part(outputs, 0, 1))
        last = g.part(outputs, target.outputs - 1, target.outputs)
        between = g.add("Sub", g.part(outputs, 0, target.outputs - 1), g.part(outputs, 1, target.outputs))
        return g.add("Max", g.add("Concat", first, between, last, axis=-1), double(0))
    if isinstance(target, RegressionTarget):
        scaled = g.add("Mul", outputs, np.array(target.stds, np.float64))
        values = g.add("Add", scaled, np.array(target.means, np.float64))
        if target.lows is None or target.highs is None:
            return values
        values = g.add("Max", values, np.array(target.lows, np.float64))
        return g.add("Min", values, np.array(target.highs, np.float64))
    return outputs


def _tempered(g: Graph, p: str, temperature: float, *, several: bool) -> str:
    """softmax(ln p / T), or sigmoid(logit p / T), of p that are not quite 0 and 1."""
    smallest = double(float(np.finfo(np.float64).tiny))
    logits = g.add("Log", g.add("Max", p, smallest))
    if not several:
        rest = g.add("Max", g.add("Sub", double(1), p), smallest)
        logits = g.add("Sub", logits, g.add("Log", rest))
    logits = g.add("Div", logits, double(temperature))
    return g.add("Softmax", logits, axis=-1) if several else _sigmoid(g, logits)


def _sigmoid(g: Graph, z: str) -> str:
    """tanh(z / 2) / 2 + 1/2, which cannot overflow."""
    halved = g.add("Tanh", g.add("Mul", z, double(0.5)))
    return g.add("Add", g.add("Mul", halved, double(0.5)), double(0.5))
