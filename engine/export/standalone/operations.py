"""The operations of a graph, with NumPy: named and defined as in ONNX (opset 18)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Attributes = dict[str, Any]
Values = dict[str, Array]


def run(graph: Attributes, values: Values) -> list[Array]:
    """What a graph makes of `values`, its inputs and constants by name."""
    for op, inputs, outputs, attributes in graph["nodes"]:
        arrays = [values[name] for name in inputs]
        scans = op == "Scan"
        made = _scan(attributes, values, arrays) if scans else [OPERATIONS[op](attributes, *arrays)]
        values.update(zip(outputs, made, strict=True))
    return [values[name] for name in graph["outputs"]]


def _scan(a: Attributes, values: Values, arrays: Sequence[Array]) -> list[Array]:
    """The body once for each step along axis 1, with the states that it hands on."""
    states, series = list(arrays[: -a["num_scan_inputs"]]), arrays[-a["num_scan_inputs"] :]
    order = slice(None, None, -1 if a["scan_input_directions"][0] else 1)
    outputs = []
    for step in range(series[0].shape[1])[order]:
        inputs = dict(zip(a["body"]["inputs"], [*states, *(x[:, step] for x in series)], strict=True))
        *states, output = run(a["body"], {**values, **inputs})
        outputs.append(output)
    return [*states, np.stack(outputs[order], axis=1)]


def _pairs(pads: Sequence[int]) -> list[tuple[int, int]]:
    """(before, after) of each axis, from all befores and then all afters."""
    half = len(pads) // 2
    return [(int(before), int(after)) for before, after in zip(pads[:half], pads[half:], strict=True)]


def _windows(a: Attributes, x: Array, fill: float) -> Array:
    """The windows of images (rows, channels, height, width): (rows, channels, down, along, *kernel)."""
    down, along = a.get("dilations", (1, 1))
    kernel, strides = a["kernel_shape"], a["strides"]
    x = np.pad(x, [(0, 0), (0, 0), *_pairs(a["pads"])], constant_values=fill)
    reach = (down * (kernel[0] - 1) + 1, along * (kernel[1] - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    every: Array = windows[:, :, :: strides[0], :: strides[1], ::down, ::along]
    return every


def _conv(a: Attributes, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    windows, groups = _windows(a, x, 0), a["group"]
    pairs = zip(np.split(windows, groups, axis=1), np.split(kernel, groups), strict=True)
    parts = [np.tensordot(seen, part, axes=([1, 4, 5], [1, 2, 3])) for seen, part in pairs]
    y = np.concatenate(parts, axis=-1)
    return np.moveaxis(y if bias is None else y + bias, -1, 1)


def _conv_transpose(a: Attributes, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    groups, (kh, kw) = a["group"], a["kernel_shape"]
    pairs = zip(np.split(x, groups, axis=1), np.split(kernel, groups), strict=True)
    parts = [np.tensordot(seen, part, axes=([1], [0])) for seen, part in pairs]
    copies = np.moveaxis(np.concatenate(parts, axis=3), 3, 1)  # (rows, filters, h, w, kh, kw)
    rows, filters, h, w = copies.shape[:4]
    (sh, sw), (dh, dw), extra = a["strides"], a["dilations"], a["output_padding"]
    height, width = (
        s * (n - 1) + d * (k - 1) + 1 + e
        for s, n, d, k, e in zip((sh, sw), (h, w), (dh, dw), (kh, kw), extra, strict=True)
    )
    y = np.zeros((rows, filters, height, width), x.dtype)
    for i in range(kh):
        for j in range(kw):
            last = i * dh + sh * (h - 1) + 1, j * dw + sw * (w - 1) + 1
            y[:, :, i * dh : last[0] : sh, j * dw : last[1] : sw] += copies[..., i, j]
    (top, bottom), (left, right) = _pairs(a["pads"])
    y = y[:, :, top : height - bottom, left : width - right]
    return y if bias is None else y + bias[:, None, None]


def _average_pool(a: Attributes, x: Array) -> Array:
    seen = _windows(a, np.ones((1, 1, *x.shape[2:]), x.dtype), 0).sum(axis=(4, 5))
    mean: Array = _windows(a, x, 0).sum(axis=(4, 5)) / seen
    return mean


def _slice(a: Attributes, x: Array, starts: Array, stops: Array, axes: Array) -> Array:
    for start, stop, axis in zip(starts, stops, axes, strict=True):
        x = np.moveaxis(np.moveaxis(x, axis, 0)[start:stop], 0, axis)
    return x


def _reshape(a: Attributes, x: Array, shape: Array) -> Array:
    sides = [int(side) for side in shape]
    if sides[0] == -1 and not x.size:
        sides[0] = 0  # no rows: their number does not follow from the others
    return x.reshape(sides)


def _softmax(a: Attributes, x: Array) -> Array:
    powers = np.exp(x - x.max(axis=a["axis"], keepdims=True))
    share: Array = powers / powers.sum(axis=a["axis"], keepdims=True)
    return share


def _log_softmax(a: Attributes, x: Array) -> Array:
    x = x - x.max(axis=a["axis"], keepdims=True)
    logarithms: Array = x - np.log(np.exp(x).sum(axis=a["axis"], keepdims=True))
    return logarithms


def _sigmoid(a: Attributes, x: Array) -> Array:
    odds = np.exp(np.minimum(x, 40))
    share: Array = odds / (1 + odds)
    return share


def _expm1(x: Array, limit: float) -> Array:
    return np.where(x > 0, x, limit * np.expm1(np.minimum(x, 0))).astype(x.dtype)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operation without attributes."""
    return lambda _, *arrays: function(*arrays)


def _over(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction over the axes that the second input names."""
    return lambda a, x, axes: function(
        x, axis=tuple(int(axis) for axis in axes), keepdims=bool(a["keepdims"])
    )


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

OPERATIONS: dict[str, Callable[..., Any]] = {
    "Abs": _plain(np.abs),
    "Add": _plain(np.add),
    "And": _plain(np.logical_and),
    "AveragePool": _average_pool,
    "Cast": lambda a, x: x.astype(a["to"]),
    "Clip": _plain(np.clip),
    "Concat": lambda a, *arrays: np.concatenate(arrays, axis=a["axis"]),
    "ConstantOfShape": lambda _, shape: np.zeros(shape, np.float32),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Cos": _plain(np.cos),
    "Div": _plain(np.divide),
    "Elu": lambda a, x: _expm1(x, a["alpha"]),
    "Equal": _plain(np.equal),
    "Exp": _plain(np.exp),
    "Expand": lambda _, x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape))),
    "Floor": _plain(np.floor),
    "Gather": lambda a, x, indices: np.take(x, indices, axis=a["axis"]),
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Identity": lambda _, x: x,
    "LeakyRelu": lambda a, x: np.maximum(x, x * np.float32(a["alpha"])),
    "Less": _plain(np.less),
    "Log": _plain(np.log),
    "LogSoftmax": _log_softmax,
    "MatMul": _plain(np.matmul),
    "Max": _plain(np.maximum),
    "MaxPool": lambda a, x: _windows(a, x, -np.inf).max(axis=(4, 5)),
    "Min": _plain(np.minimum),
    "Mul": _plain(np.multiply),
    "Neg": _plain(np.negative),
    "PRelu": lambda _, x, slope: np.maximum(x, 0) + slope * np.minimum(x, 0),
    "Pad": lambda _, x, pads, value: np.pad(x, _pairs(pads), constant_values=value),
    "Pow": _plain(np.power),
    "ReduceMax": _over(np.max),
    "ReduceMean": _over(np.mean),
    "ReduceMin": _over(np.min),
    "ReduceSum": _over(np.sum),
    "Relu": lambda _, x: np.maximum(x, 0),
    "Reshape": _reshape,
    "Selu": lambda _, x: np.float32(SELU_SCALE) * _expm1(x, SELU_ALPHA),
    "Shape": lambda a, x: np.array(x.shape[a["start"] : a["end"]], np.int64),
    "Sigmoid": _sigmoid,
    "Sin": _plain(np.sin),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": lambda _, x: np.logaddexp(x, np.zeros((), x.dtype)),
    "Sqrt": _plain(np.sqrt),
    "Sub": _plain(np.subtract),
    "Tanh": _plain(np.tanh),
    "Transpose": lambda a, x: np.transpose(x, a["perm"]),
    "Where": _plain(np.where),
}
