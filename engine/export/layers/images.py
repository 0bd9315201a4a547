"""Convolutions, pooling, and layers that change an image's size. Rows are (height, width, channels).

ONNX has the channels first, so convolution and pooling stand between two transpositions; a series is an image
one pixel wide.
"""

import numpy as np

from engine.export.writer import Rule, Writer
from engine.layers import Layer, LayerSpec
from engine.layers.augmentation.moved_images import RandomCropSpec
from engine.layers.convolution.conv import Conv, Conv1dSpec, Conv2dSpec
from engine.layers.convolution.transposed import TransposedConv2dSpec
from engine.layers.images.sliding import Axis
from engine.layers.images.upsampling import Upsampling1dSpec, Upsampling2dSpec
from engine.layers.images.zero_padding import ZeroPadding1dSpec, ZeroPadding2dSpec
from engine.layers.pooling.pool import (
    AveragePool1dSpec,
    AveragePool2dSpec,
    MaxPool1dSpec,
    MaxPool2dSpec,
    Pooling,
)
from engine.layers.pooling.whole import GlobalAveragePoolSpec, GlobalMaxPoolSpec

CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def _sliding(down: Axis, along: Axis) -> dict[str, tuple[int, ...]]:
    """What ONNX calls the numbers of a window."""
    return {
        "kernel_shape": (down.kernel, along.kernel),
        "strides": (down.stride, along.stride),
        "dilations": (down.dilation, along.dilation),
        "pads": (down.before, along.before, down.after, along.after),
    }


def conv(w: Writer, spec: Conv1dSpec | Conv2dSpec, layer: Layer, x: str) -> str:
    """W * x + b."""
    assert isinstance(layer, Conv)
    g, geometry, weights = w.graph, layer.geometry, w.weights(layer)
    kernel = weights["W"].reshape(geometry.weight_shape).transpose(3, 2, 0, 1)
    bias = [weights["b"]] if spec.bias else []
    image = g.add("Transpose", g.reshape(x, geometry.in_shape), perm=CHANNELS_FIRST)
    window = _sliding(geometry.down, geometry.along)
    y = g.add("Conv", image, kernel, *bias, group=spec.groups, **window)
    return g.reshape(g.add("Transpose", y, perm=CHANNELS_LAST), layer.out_shape)


def transposed_conv(w: Writer, spec: TransposedConv2dSpec, layer: Layer, x: str) -> str:
    """W^T * x + b; the geometry is that of the convolution from the output to the input."""
    assert isinstance(layer, Conv)
    g, geometry, weights = w.graph, layer.geometry, w.weights(layer)
    bias = [weights["b"]] if spec.bias else []
    extra = tuple(
        axis.size - ((axis.outputs - 1) * axis.stride + axis.reach - axis.before - axis.after)
        for axis in (geometry.down, geometry.along)
    )
    y = g.add(
        "ConvTranspose",
        g.add("Transpose", x, perm=CHANNELS_FIRST),
        weights["W"].transpose(3, 2, 0, 1),
        *bias,
        group=spec.groups,
        output_padding=extra,
        **_sliding(geometry.down, geometry.along),
    )
    return g.add("Transpose", y, perm=CHANNELS_LAST)


def _pool(w: Writer, layer: Layer, x: str, op: str, **attributes: int) -> str:
    assert isinstance(layer, Pooling)
    g, windows = w.graph, layer.windows
    sliding = _sliding(windows.vertical, windows.horizontal)
    if op == "AveragePool":
        del sliding["dilations"]  # which it knows from a later opset on
    image = g.add("Transpose", g.reshape(x, windows.in_shape), perm=CHANNELS_FIRST)
    y = g.add(op, image, **sliding, **attributes)
    return g.reshape(g.add("Transpose", y, perm=CHANNELS_LAST), layer.out_shape)


def max_pool(w: Writer, spec: MaxPool1dSpec | MaxPool2dSpec, layer: Layer, x: str) -> str:
    """The largest value of each window."""
    return _pool(w, layer, x, "MaxPool")


def average_pool(w: Writer, spec: AveragePool1dSpec | AveragePool2dSpec, layer: Layer, x: str) -> str:
    """The mean of what each window sees, without what lies around the image."""
    return _pool(w, layer, x, "AveragePool", count_include_pad=0)


def global_pool(w: Writer, spec: GlobalMaxPoolSpec | GlobalAveragePoolSpec, layer: Layer, x: str) -> str:
    """The largest value or the mean over all axes but the last."""
    op = "ReduceMax" if isinstance(spec, GlobalMaxPoolSpec) else "ReduceMean"
    axes = w.graph.sizes(*range(1, len(layer.in_shape)))
    return w.graph.add(op, x, axes, keepdims=0)


def nearest(w: Writer, spec: Upsampling1dSpec | Upsampling2dSpec, layer: Layer, x: str) -> str:
    """Each pixel, or step, as often as the image becomes larger."""
    g, factors = w.graph, spec.factor if isinstance(spec, Upsampling2dSpec) else (spec.factor,)
    *sides, channels = layer.in_shape
    apart = [size for side in sides for size in (side, 1)]
    copies = [size for factor in factors for size in (1, factor)]
    spread = g.add("Expand", g.reshape(x, (*apart, channels)), g.sizes(1, *copies, 1))
    return g.reshape(spread, layer.out_shape)


def upsampling2d(w: Writer, spec: Upsampling2dSpec, layer: Layer, x: str) -> str:
    """Copies, or what lies between neighbours: first down the columns, then along the rows."""
    if spec.interpolation == "nearest":
        return nearest(w, spec, layer, x)
    g, (height, width, channels) = w.graph, layer.in_shape
    tall = g.add("MatMul", _between(height, spec.factor[0]), g.reshape(x, (height, width * channels)))
    lines = g.add("MatMul", _between(width, spec.factor[1]), g.reshape(tall, (width, channels)))
    return g.reshape(lines, layer.out_shape)


def _between(length: int, factor: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The matrix (length * factor, length) of linear interpolation; places beyond the ends take the last value."""
    places = (np.arange(length * factor) + 0.5) / factor - 0.5
    return np.array([np.interp(places, np.arange(length), row) for row in np.eye(length)], np.float32).T


def zero_padding(w: Writer, spec: ZeroPadding1dSpec | ZeroPadding2dSpec, layer: Layer, x: str) -> str:
    """Zeros around."""
    margins = spec.padding if isinstance(spec, ZeroPadding2dSpec) else (spec.padding,)
    before, after = zip(*margins, strict=True)
    return w.graph.add("Pad", x, w.graph.sizes(0, *before, 0, 0, *after, 0), 0.0, mode="constant")


def random_crop(w: Writer, spec: RandomCropSpec, layer: Layer, x: str) -> str:
    """The window in the middle, as in evaluation."""
    for axis in (0, 1):
        size = layer.out_shape[axis]
        start = (layer.in_shape[axis] - size + 1) // 2
        x = w.graph.part(x, start, start + size, axis=axis + 1)
    return x


RULES: dict[type[LayerSpec], Rule] = {
    Conv1dSpec: conv,
    Conv2dSpec: conv,
    TransposedConv2dSpec: transposed_conv,
    MaxPool1dSpec: max_pool,
    MaxPool2dSpec: max_pool,
    AveragePool1dSpec: average_pool,
    AveragePool2dSpec: average_pool,
    GlobalMaxPoolSpec: global_pool,
    GlobalAveragePoolSpec: global_pool,
    Upsampling1dSpec: nearest,
    Upsampling2dSpec: upsampling2d,
    ZeroPadding1dSpec: zero_padding,
    ZeroPadding2dSpec: zero_padding,
    RandomCropSpec: random_crop,
}
"""The rules of this family."""
