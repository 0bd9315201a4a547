"""Activations cut at both ends, learned ones, gated ones."""

from engine.arrays import Array, Shape
from engine.layers.gated import GegluSpec, GluSpec, RegluSpec, SwigluSpec
from engine.layers.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.learned_activations import ParametricActivationSpec, PreluSpec
from engine.layers.smooth_rectifiers import MishSpec
from engine.layers.softmax import LogSoftmaxSpec
from engine.layers.softsign import SoftsignSpec
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
