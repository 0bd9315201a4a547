"""Convolutions, pooling, and layers that change an image's size. In both, rows are (height, width, channels)."""

from collections.abc import Mapping
from typing import Any

from engine.arrays import Array
from engine.export.errors import NotExportable
from engine.export.keras.dense import without_weights
from engine.export.keras.layer import KerasLayer, Rule, named
from engine.layers import Layer, LayerSpec
from engine.layers.convolution.conv import Conv1dSpec, Conv2dSpec
from engine.layers.convolution.transposed import TransposedConv2dSpec
from engine.layers.images.upsampling import Upsampling1dSpec, Upsampling2dSpec
from engine.layers.images.zero_padding import ZeroPadding1dSpec, ZeroPadding2dSpec
from engine.layers.noise import SpatialDropoutSpec
from engine.layers.pooling.pool import AveragePool1dSpec, AveragePool2dSpec, MaxPool1dSpec, MaxPool2dSpec
from engine.layers.pooling.whole import GlobalAveragePoolSpec, GlobalMaxPoolSpec

Weights = Mapping[str, Array]


def conv(spec: Conv1dSpec | Conv2dSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """kernel (places of the kernel..., channels of a group, filters); margins are a layer before it."""
    axes = len(layer.in_shape) - 1
    before, padding = [], spec.padding
    if not isinstance(padding, str):
        before = [KerasLayer(f"ZeroPadding{axes}D", {"padding": _listed(padding)}, suffix="_padding")]
        padding = "valid"
    config = {
        "filters": spec.filters,
        "kernel_size": _listed(spec.kernel_size),
        "strides": _listed(spec.stride),
        "padding": padding,
        "dilation_rate": _listed(spec.dilation),
        "groups": spec.groups,
        "use_bias": spec.bias,
    }
    return [*before, KerasLayer(f"Conv{axes}D", config, named(weights, W="kernel", b="bias"))]


def transposed(spec: TransposedConv2dSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """kernel (height, width, filters, channels). Keras knows no groups, and other sizes of the output than ours."""
    if spec.groups > 1:
        raise NotExportable("Keras has no transposed convolution in groups")
    variables = named(weights, W="kernel", b="bias")
    alike = spec.padding == "valid" and not any(spec.output_padding) and spec.dilation == (1, 1)
    alike = alike and all(
        kernel >= stride for kernel, stride in zip(spec.kernel_size, spec.stride, strict=True)
    )
    config = {
        "filters": spec.filters,
        "kernel_size": _listed(spec.kernel_size),
        "strides": _listed(spec.stride),
        "padding": "valid",
        "use_bias": spec.bias,
    }
    return [KerasLayer("Conv2DTranspose" if alike else None, config, variables)]


def _pooling(name: str) -> Rule:
    def rule(spec: Any, layer: Layer, weights: Weights) -> list[KerasLayer]:  # noqa: ANN401 - of four
        config = {
            "pool_size": _listed(spec.pool_size),
            "strides": _listed(spec.stride or spec.pool_size),
            "padding": spec.padding,
        }
        return [KerasLayer(f"{name}Pooling{len(layer.in_shape) - 1}D", config)]

    return rule


def _over_places(name: str) -> Rule:
    """The rule of a layer whose class says how many axes the places have."""

    def rule(spec: LayerSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
        config = {"rate": spec.rate} if isinstance(spec, SpatialDropoutSpec) else {}
        return [KerasLayer(f"{name}{len(layer.in_shape) - 1}D", config)]

    return rule


def upsampling(spec: Upsampling2dSpec, layer: Layer, weights: Weights) -> list[KerasLayer]:
    """Copies of pixels; between them each library interpolates in its own way."""
    name = "UpSampling2D" if spec.interpolation == "nearest" else None
    return [KerasLayer(name, {"size": _listed(spec.factor)})]


def _listed(value: Any) -> Any:  # noqa: ANN401 - a number, or tuples of them
    return [_listed(one) for one in value] if isinstance(value, tuple | list) else value


RULES: dict[type[LayerSpec], Rule] = {
    Conv1dSpec: conv,
    Conv2dSpec: conv,
    TransposedConv2dSpec: transposed,
    MaxPool1dSpec: _pooling("Max"),
    MaxPool2dSpec: _pooling("Max"),
    AveragePool1dSpec: _pooling("Average"),
    AveragePool2dSpec: _pooling("Average"),
    GlobalMaxPoolSpec: _over_places("GlobalMaxPooling"),
    GlobalAveragePoolSpec: _over_places("GlobalAveragePooling"),
    SpatialDropoutSpec: _over_places("SpatialDropout"),
    Upsampling1dSpec: without_weights("UpSampling1D", lambda spec: {"size": spec.factor}),
    Upsampling2dSpec: upsampling,
    ZeroPadding1dSpec: without_weights("ZeroPadding1D", lambda spec: {"padding": _listed(spec.padding)}),
    ZeroPadding2dSpec: without_weights("ZeroPadding2D", lambda spec: {"padding": _listed(spec.padding)}),
}
"""The rules of this family."""
