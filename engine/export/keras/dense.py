"""Dense layers, embeddings, normalisations, activations, and what changes shapes."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.export.keras.layer import Config, KerasLayer, Rule, named
from engine.layers import Layer, LayerSpec
from engine.layers.activations.base import IdentitySpec, SigmoidSpec, TanhSpec
from engine.layers.activations.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.activations.learned import PreluSpec
from engine.layers.activations.rectifiers import EluSpec, LeakyReluSpec, ReluSpec, SeluSpec
from engine.layers.activations.smooth_rectifiers import MishSpec, SiluSpec, SoftplusSpec
from engine.layers.activations.softmax import LogSoftmaxSpec, SoftmaxSpec
from engine.layers.activations.softsign import SoftsignSpec
from engine.layers.augmentation.moved_images import CutoutSpec, RandomFlipSpec, RandomShiftSpec
from engine.layers.augmentation.pca_color import PcaColorSpec
from engine.layers.augmentation.rotation import RandomRotationSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.noise import GaussianNoiseSpec
from engine.layers.normalization.batch import BatchNormalizationSpec
from engine.layers.normalization.group import GroupNormalizationSpec
from engine.layers.normalization.layer import LayerNormalizationSpec, RmsNormalizationSpec
from engine.layers.reshape import PermuteSpec, ReshapeSpec

Weights = Mapping[str, Array]


def without_weights(class_name: str, config: Callable[[Any], Config] = lambda _: {}) -> Rule:
    """The rule of a layer without weights."""

    def rule(spec: LayerSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
        return [KerasLayer(class_name, config(spec))]

    return rule


def _activation(name: str) -> Rule:
    return without_weights("Activation", lambda _: {"activation": name})


def dense(spec: DenseSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """kernel (inputs, units); the factor of the ntp form is in it."""
    kernel = weights["W"]
    if spec.parametrization == "ntp":
        kernel = kernel / np.float32(sqrt(layer.in_shape[0]))
    config = {"units": layer.out_shape[0], "use_bias": spec.bias}
    return [KerasLayer("Dense", config, {"kernel": kernel, **named(weights, b="bias")})]


def embedding(spec: EmbeddingSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """embeddings (ids, dimension)."""
    vectors = weights["W"].copy()
    if spec.zero_is_padding:
        vectors[0] = 0
    config = {"input_dim": spec.size, "output_dim": spec.dimension}
    return [KerasLayer("Embedding", config, {"embeddings": vectors})]


def batch(spec: BatchNormalizationSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """gamma, beta, and the running moments."""
    moments = {"running_mean": "moving_mean", "running_variance": "moving_variance"}
    config = {"epsilon": spec.epsilon, "momentum": spec.momentum}
    variables = named(weights, gamma="gamma", beta="beta", **moments)
    return [KerasLayer("BatchNormalization", config, variables)]


def layer_norm(spec: LayerNormalizationSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """gamma and beta, over the last axis."""
    variables = named(weights, gamma="gamma", beta="beta")
    return [KerasLayer("LayerNormalization", {"epsilon": spec.epsilon}, variables)]


def rms_norm(spec: RmsNormalizationSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """scale, over the last axis."""
    return [KerasLayer("RMSNormalization", {"epsilon": spec.epsilon}, named(weights, gamma="scale"))]


def group(spec: GroupNormalizationSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """gamma and beta, a channel each."""
    config = {"groups": spec.groups, "epsilon": spec.epsilon}
    return [KerasLayer("GroupNormalization", config, named(weights, gamma="gamma", beta="beta"))]


def prelu(spec: PreluSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """alpha (1, ..., channels): one slope for all places of a channel."""
    shared = list(range(1, len(layer.in_shape)))
    alpha = weights["slope"].reshape(*[1] * len(shared), -1)
    return [KerasLayer("PReLU", {"shared_axes": shared} if shared else {}, {"alpha": alpha})]


def reshaped(spec: LayerSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """The same numbers in another shape."""
    return [KerasLayer("Reshape", {"target_shape": list(layer.out_shape)})]


RULES: dict[type[LayerSpec], Rule] = {
    DenseSpec: dense,
    EmbeddingSpec: embedding,
    BatchNormalizationSpec: batch,
    LayerNormalizationSpec: layer_norm,
    RmsNormalizationSpec: rms_norm,
    GroupNormalizationSpec: group,
    PreluSpec: prelu,
    FlattenSpec: without_weights("Flatten"),
    ReshapeSpec: reshaped,
    PermuteSpec: without_weights("Permute", lambda spec: {"dims": list(spec.axes)}),
    DropoutSpec: without_weights("Dropout", lambda spec: {"rate": spec.rate}),
    GaussianNoiseSpec: without_weights("GaussianNoise", lambda spec: {"stddev": spec.std}),
    LeakyReluSpec: without_weights("LeakyReLU", lambda spec: {"negative_slope": spec.slope}),
    EluSpec: without_weights("ELU", lambda spec: {"alpha": spec.alpha}),
    IdentitySpec: _activation("linear"),
    SigmoidSpec: _activation("sigmoid"),
    TanhSpec: _activation("tanh"),
    ReluSpec: _activation("relu"),
    Relu6Spec: _activation("relu6"),
    SeluSpec: _activation("selu"),
    SiluSpec: _activation("silu"),
    SoftplusSpec: _activation("softplus"),
    MishSpec: _activation("mish"),
    HardSigmoidSpec: _activation("hard_sigmoid"),
    HardSwishSpec: _activation("hard_silu"),
    SoftsignSpec: _activation("softsign"),
    SoftmaxSpec: _activation("softmax"),
    LogSoftmaxSpec: _activation("log_softmax"),
    **dict.fromkeys(
        (RandomFlipSpec, RandomShiftSpec, RandomRotationSpec, CutoutSpec, PcaColorSpec),
        without_weights("Identity"),  # as in evaluation
    ),
}
"""The rules of this family."""
