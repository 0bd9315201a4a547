"""Activations, gates, and what passes its input on in evaluation."""

from functools import partial

import numpy as np

from engine.export.graph import Graph
from engine.export.writer import Rule, Writer
from engine.layers import Layer, LayerSpec
from engine.layers.activations.base import IdentitySpec, SigmoidSpec, StepSpec, TanhSpec
from engine.layers.activations.gated import GatedSpec, GegluSpec, GluSpec, RegluSpec, SwigluSpec
from engine.layers.activations.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.activations.learned import ParametricActivationSpec, PreluSpec
from engine.layers.activations.rectifiers import EluSpec, LeakyReluSpec, ReluSpec, SeluSpec
from engine.layers.activations.smooth_rectifiers import Gelu, GeluSpec, MishSpec, SiluSpec, SoftplusSpec
from engine.layers.activations.softmax import LogSoftmaxSpec, SoftmaxSpec
from engine.layers.activations.softsign import SoftsignSpec
from engine.layers.augmentation.moved_images import CutoutSpec, RandomFlipSpec, RandomShiftSpec
from engine.layers.augmentation.pca_color import PcaColorSpec
from engine.layers.augmentation.rotation import RandomRotationSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.noise import GaussianNoiseSpec, SpatialDropoutSpec


def passed_on(w: Writer, spec: LayerSpec, layer: Layer, x: str) -> str:
    """y = x; what the layer keeps for training is left behind."""
    w.weights(layer)
    w.states(layer)
    return x


def _one(op: str, w: Writer, spec: LayerSpec, layer: Layer, x: str) -> str:
    return w.graph.add(op, x)


def step(w: Writer, spec: StepSpec, layer: Layer, x: str) -> str:
    """1 where x >= 0, else 0."""
    return w.graph.add("Cast", w.graph.add("GreaterOrEqual", x, 0.0), to="float32")


def leaky_relu(w: Writer, spec: LeakyReluSpec, layer: Layer, x: str) -> str:
    """max(x, slope x)."""
    return w.graph.add("LeakyRelu", x, alpha=spec.slope)


def elu(w: Writer, spec: EluSpec, layer: Layer, x: str) -> str:
    """x, or alpha (e^x - 1)."""
    return w.graph.add("Elu", x, alpha=spec.alpha)


def gelu(w: Writer, spec: GeluSpec, layer: Layer, x: str) -> str:
    """x (1 + tanh(x (c + c3 x^2))) / 2: the tanh form, which ONNX has in no opset of before 20."""
    g = w.graph
    t = g.add("Add", g.add("Mul", g.add("Mul", x, x), Gelu.c3), Gelu.c)
    t = g.add("Tanh", g.add("Mul", t, x))
    return g.add("Mul", g.add("Mul", g.add("Add", t, 1.0), x), 0.5)


def silu(w: Writer, spec: SiluSpec, layer: Layer, x: str) -> str:
    """x sigmoid(x)."""
    return w.graph.add("Mul", x, w.graph.add("Sigmoid", x))


def mish(w: Writer, spec: MishSpec, layer: Layer, x: str) -> str:
    """x tanh(softplus(x))."""
    return w.graph.add("Mul", x, w.graph.add("Tanh", w.graph.add("Softplus", x)))


def softsign(w: Writer, spec: SoftsignSpec, layer: Layer, x: str) -> str:
    """x / (1 + |x|)."""
    return w.graph.add("Div", x, w.graph.add("Add", w.graph.add("Abs", x), 1.0))


def _ramp(g: Graph, x: str, slope: float, middle: float, top: float) -> str:
    return g.add("Clip", g.add("Add", g.add("Mul", x, slope), middle), 0.0, top)


def relu6(w: Writer, spec: Relu6Spec, layer: Layer, x: str) -> str:
    """min(max(0, x), 6)."""
    return w.graph.add("Clip", x, 0.0, 6.0)


def hard_sigmoid(w: Writer, spec: HardSigmoidSpec, layer: Layer, x: str) -> str:
    """x / 6 + 1/2, cut to 0 .. 1."""
    return _ramp(w.graph, x, 1 / 6, 0.5, 1.0)


def hard_swish(w: Writer, spec: HardSwishSpec, layer: Layer, x: str) -> str:
    """x times its hard sigmoid."""
    return w.graph.add("Mul", x, _ramp(w.graph, x, 1 / 6, 0.5, 1.0))


def softmax(w: Writer, spec: SoftmaxSpec, layer: Layer, x: str) -> str:
    """Over the last axis."""
    return w.graph.add("Softmax", x, axis=-1)


def log_softmax(w: Writer, spec: LogSoftmaxSpec, layer: Layer, x: str) -> str:
    """Over the last axis."""
    return w.graph.add("LogSoftmax", x, axis=-1)


def prelu(w: Writer, spec: PreluSpec, layer: Layer, x: str) -> str:
    """max(0, x) + s min(0, x)."""
    return w.graph.add("PRelu", x, w.weights(layer)["slope"])


def parametric(w: Writer, spec: ParametricActivationSpec, layer: Layer, x: str) -> str:
    """(1 - alpha) x + alpha curve(x)."""
    g, alpha = w.graph, w.weights(layer)["alpha"]
    curve = g.add("Selu", x) if spec.activation == "selu" else mish(w, MishSpec(), layer, x)
    return g.add("Add", g.add("Mul", x, np.float32(1) - alpha), g.add("Mul", curve, alpha))


def gated(w: Writer, spec: GatedSpec, layer: Layer, x: str) -> str:
    """The first half of the last axis times the activation of the second."""
    half = layer.out_shape[-1]
    a, b = w.graph.part(x, 0, half), w.graph.part(x, half, 2 * half)
    return w.graph.add("Mul", a, w.layer(spec.gate, spec.gate.build(layer.out_shape), b))


RULES: dict[type[LayerSpec], Rule] = {
    **dict.fromkeys(
        (
            IdentitySpec,
            DropoutSpec,
            SpatialDropoutSpec,
            GaussianNoiseSpec,
            RandomFlipSpec,
            RandomShiftSpec,
            RandomRotationSpec,
            CutoutSpec,
            PcaColorSpec,
        ),
        passed_on,
    ),
    SigmoidSpec: partial(_one, "Sigmoid"),
    TanhSpec: partial(_one, "Tanh"),
    ReluSpec: partial(_one, "Relu"),
    SeluSpec: partial(_one, "Selu"),
    SoftplusSpec: partial(_one, "Softplus"),
    StepSpec: step,
    LeakyReluSpec: leaky_relu,
    EluSpec: elu,
    GeluSpec: gelu,
    SiluSpec: silu,
    MishSpec: mish,
    SoftsignSpec: softsign,
    Relu6Spec: relu6,
    HardSigmoidSpec: hard_sigmoid,
    HardSwishSpec: hard_swish,
    SoftmaxSpec: softmax,
    LogSoftmaxSpec: log_softmax,
    PreluSpec: prelu,
    ParametricActivationSpec: parametric,
    **dict.fromkeys((GluSpec, RegluSpec, GegluSpec, SwigluSpec), gated),
}
"""The rules of this family."""
