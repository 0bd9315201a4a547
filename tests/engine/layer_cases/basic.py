"""Dense layers, activations, and what has no parameters."""

from engine.layers.activations.base import IdentitySpec, SigmoidSpec, StepSpec, TanhSpec
from engine.layers.activations.rectifiers import EluSpec, LeakyReluSpec, ReluSpec, SeluSpec
from engine.layers.activations.smooth_rectifiers import GeluSpec, SiluSpec, SoftplusSpec
from engine.layers.activations.softmax import SoftmaxSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.ordered_logits import OrderedLogitsSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(DenseSpec(units=3)),
    LayerCase(DenseSpec(units=3, bias=False)),
    LayerCase(DenseSpec(units=1), (5,)),
    LayerCase(DenseSpec(units=5), (1,)),
    LayerCase(FlattenSpec(), (2, 3, 2)),
    LayerCase(OrderedLogitsSpec()),
    LayerCase(OrderedLogitsSpec(), (2, 3)),
    LayerCase(DropoutSpec(rate=0.4)),
    LayerCase(DropoutSpec(rate=0.0)),
    LayerCase(IdentitySpec()),
    LayerCase(StepSpec()),
    LayerCase(SigmoidSpec()),
    LayerCase(TanhSpec()),
    LayerCase(ReluSpec()),
    LayerCase(ReluSpec(), (2, 3)),
    LayerCase(LeakyReluSpec()),
    LayerCase(LeakyReluSpec(slope=0.3)),
    LayerCase(EluSpec()),
    LayerCase(EluSpec(alpha=0.3)),
    LayerCase(SeluSpec()),
    LayerCase(GeluSpec()),
    LayerCase(SiluSpec()),
    LayerCase(SoftplusSpec()),
    LayerCase(SoftmaxSpec()),
    LayerCase(SoftmaxSpec(), (2, 3)),
]
