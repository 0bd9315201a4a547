"""THE one list of layers: a spec imported here is a layer of the API, the catalog, the docs and the tests."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from engine.layers.activations.base import IdentitySpec, SigmoidSpec, StepSpec, TanhSpec
from engine.layers.activations.gated import GegluSpec, GluSpec, RegluSpec, SwigluSpec
from engine.layers.activations.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.activations.learned import ParametricActivationSpec, PreluSpec
from engine.layers.activations.rectifiers import EluSpec, LeakyReluSpec, ReluSpec, SeluSpec
from engine.layers.activations.smooth_rectifiers import GeluSpec, MishSpec, SiluSpec, SoftplusSpec
from engine.layers.activations.softmax import LogSoftmaxSpec, SoftmaxSpec
from engine.layers.activations.softsign import SoftsignSpec
from engine.layers.attention.multi_head import MultiHeadAttentionSpec
from engine.layers.attention.positional_encoding import PositionalEncodingSpec
from engine.layers.attention.transformer import TransformerEncoderSpec
from engine.layers.augmentation.moved_images import (
    CutoutSpec,
    RandomCropSpec,
    RandomFlipSpec,
    RandomShiftSpec,
)
from engine.layers.augmentation.pca_color import PcaColorSpec
from engine.layers.augmentation.rotation import RandomRotationSpec
from engine.layers.base import Layer, LayerSpec
from engine.layers.combinators import CombinatorSpec, ParallelSpec, ResidualSpec, SequentialSpec
from engine.layers.convolution.conv import Conv1dSpec, Conv2dSpec
from engine.layers.convolution.transposed import TransposedConv2dSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.embedding_bag import EmbeddingBagSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.images.upsampling import Upsampling1dSpec, Upsampling2dSpec
from engine.layers.images.zero_padding import ZeroPadding1dSpec, ZeroPadding2dSpec
from engine.layers.maxout import MaxoutSpec
from engine.layers.noise import GaussianNoiseSpec, SpatialDropoutSpec
from engine.layers.normalization.batch import BatchNormalizationSpec
from engine.layers.normalization.group import GroupNormalizationSpec
from engine.layers.normalization.layer import LayerNormalizationSpec, RmsNormalizationSpec
from engine.layers.normalization.local_response import LocalResponseNormalizationSpec
from engine.layers.ordered_logits import OrderedLogitsSpec
from engine.layers.pooling.pool import AveragePool1dSpec, AveragePool2dSpec, MaxPool1dSpec, MaxPool2dSpec
from engine.layers.pooling.whole import GlobalAveragePoolSpec, GlobalMaxPoolSpec
from engine.layers.recurrent.bidirectional import BidirectionalSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec
from engine.layers.reshape import PermuteSpec, ReshapeSpec
from engine.layers.tabular.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.tabular.columns import ColumnsSpec
from engine.layers.tabular.member_dense import MemberDenseSpec
from engine.layers.tabular.numerical_embedding import PbldSpec, PlrSpec
from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.layers.tabular.scaling import ScalingSpec

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
