"""Activations cut at both ends, learned ones, gated ones."""

from engine.arrays import Array, Shape
from engine.layers.activations.gated import GegluSpec, GluSpec, RegluSpec, SwigluSpec
from engine.layers.activations.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.activations.learned import ParametricActivationSpec, PreluSpec
from engine.layers.activations.smooth_rectifiers import MishSpec
from engine.layers.activations.softmax import LogSoftmaxSpec
from engine.layers.activations.softsign import SoftsignSpec
from layer_cases import LayerCase, away_from_kinks


def wide(shape: Shape) -> Array:
    """Numbers on all of the pieces of what is cut at -3, 3 and 6."""
    return 5 * away_from_kinks(shape)


CASES = [
    LayerCase(SoftsignSpec()),
    LayerCase(MishSpec()),
    LayerCase(MishSpec(), (2, 3), wide),
    LayerCase(Relu6Spec(), make_x=wide),
    LayerCase(HardSigmoidSpec(), make_x=wide),
    LayerCase(HardSwishSpec(), make_x=wide),
    LayerCase(LogSoftmaxSpec()),
    LayerCase(LogSoftmaxSpec(), (2, 3)),
    LayerCase(PreluSpec()),
    LayerCase(PreluSpec(slope=0.5), (2, 3)),
    LayerCase(ParametricActivationSpec()),
    LayerCase(ParametricActivationSpec(activation="mish", alpha=0.5), (2, 3)),
    LayerCase(GluSpec()),
    LayerCase(GluSpec(), (2, 6)),
    LayerCase(RegluSpec()),
    LayerCase(GegluSpec()),
    LayerCase(SwigluSpec()),
]
