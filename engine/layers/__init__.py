"""THE one list of layers: a spec imported here is a layer of the API, the catalog, the docs and the tests."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from engine.layers.activations import IdentitySpec, SigmoidSpec, StepSpec, TanhSpec
from engine.layers.attention import MultiHeadAttentionSpec
from engine.layers.base import Layer, LayerSpec
from engine.layers.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.batch_normalization import BatchNormalizationSpec
from engine.layers.bidirectional import BidirectionalSpec
from engine.layers.combinators import CombinatorSpec, ParallelSpec, ResidualSpec, SequentialSpec
from engine.layers.conv import Conv1dSpec, Conv2dSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.gated import GegluSpec, GluSpec, RegluSpec, SwigluSpec
from engine.layers.global_pooling import GlobalAveragePoolSpec, GlobalMaxPoolSpec
from engine.layers.group_normalization import GroupNormalizationSpec
from engine.layers.gru import GruSpec
from engine.layers.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.layer_normalization import LayerNormalizationSpec, RmsNormalizationSpec
from engine.layers.learned_activations import ParametricActivationSpec, PreluSpec
from engine.layers.local_response_normalization import LocalResponseNormalizationSpec
from engine.layers.lstm import LstmSpec
from engine.layers.maxout import MaxoutSpec
from engine.layers.member_dense import MemberDenseSpec
from engine.layers.moved_images import CutoutSpec, RandomCropSpec, RandomFlipSpec, RandomShiftSpec
from engine.layers.noise import GaussianNoiseSpec, SpatialDropoutSpec
from engine.layers.numerical_embedding import PbldSpec, PlrSpec
from engine.layers.pca_color import PcaColorSpec
from engine.layers.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.layers.pooling import AveragePool1dSpec, AveragePool2dSpec, MaxPool1dSpec, MaxPool2dSpec
from engine.layers.positional_encoding import PositionalEncodingSpec
from engine.layers.rectifiers import EluSpec, LeakyReluSpec, ReluSpec, SeluSpec
from engine.layers.reshape import PermuteSpec, ReshapeSpec
from engine.layers.rotation import RandomRotationSpec
from engine.layers.scaling import ScalingSpec
from engine.layers.simple_rnn import SimpleRnnSpec
from engine.layers.smooth_rectifiers import GeluSpec, MishSpec, SiluSpec, SoftplusSpec
from engine.layers.softmax import LogSoftmaxSpec, SoftmaxSpec
from engine.layers.softsign import SoftsignSpec
from engine.layers.transformer import TransformerEncoderSpec
from engine.layers.transposed_conv import TransposedConv2dSpec
from engine.layers.upsampling import Upsampling1dSpec, Upsampling2dSpec
from engine.layers.zero_padding import ZeroPadding1dSpec, ZeroPadding2dSpec

LAYER_SPECS: tuple[type[LayerSpec], ...] = tuple(
    item
    for item in list(globals().values())
    if isinstance(item, type) and issubclass(item, LayerSpec) and item not in {LayerSpec, CombinatorSpec}
)

if TYPE_CHECKING:
    AnyLayer = LayerSpec
else:
    AnyLayer = Annotated[Union[LAYER_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any layer's spec, told apart by `kind`."""

for _spec in LAYER_SPECS:
    if issubclass(_spec, CombinatorSpec):  # it holds layers, and all of them are known only now
        _spec.model_rebuild(_types_namespace={"AnyLayer": AnyLayer})

__all__ = ["LAYER_SPECS", "AnyLayer", "Layer", "LayerSpec"]
