"""Convolutions against onnxruntime, the laws that they keep, and what their specs refuse."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize
from onnx_node import channels_first, channels_last, runtime
from pydantic import ValidationError

from engine.arrays import Array, Shape
from engine.initializers import HeNormalSpec
from engine.layers import LayerSpec
from engine.layers.convolution.conv import Conv1dSpec, Conv2dSpec, ConvSpec
from engine.layers.convolution.transposed import TransposedConv2dSpec
from engine.network import Network
from engine.spec import InvalidSpec

quickly = settings(max_examples=25, deadline=None, derandomize=True)


def network(spec: LayerSpec, in_shape: Shape, dtype: type[np.floating] = np.float64) -> Network:
    built = network_of(spec, in_shape=in_shape, batch=4, dtype=dtype)
    randomize(built)
    return built


def drawn(*shape: int, seed: int = 2, dtype: type[np.floating] = np.float64) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def onnx_weights(network: Network) -> Array:
    """W (kernel..., in, out) as ONNX has it: (out, in, kernel...)."""
    return np.ascontiguousarray(np.moveaxis(by_name(network, network.theta)["W"], (-1, -2), (0, 1)))


def onnx_padding(padding: object) -> dict[str, object]:
    """The attributes of ONNX for a spec's padding."""
    if isinstance(padding, str):
        return {"auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[padding]}
    pairs = padding if isinstance(padding[0], tuple) else (padding,)
    return {"pads": [pair[0] for pair in pairs] + [pair[1] for pair in pairs]}


def assert_close(ours: Array, theirs: Array) -> None:
    np.testing.assert_allclose(ours, channels_last(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("padding", ["same", "valid", 2, ((1, 0), (2, 3))], ids=str)
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [
        *product([(3, 3), (2, 5), (1, 1)], [(1, 1), (2, 3)], [(1, 1)]),
        *product([(3, 2)], [(1, 1), (2, 1)], [(2, 3)]),
    ],
    ids=str,
)
def test_images_against_onnxruntime(kernel, stride, dilation, padding, groups) -> None:
    spec = Conv2dSpec(
        filters=8, kernel_size=kernel, stride=stride, dilation=dilation, padding=padding, groups=groups
    )
    if padding == "same" and dilation != (1, 1):
        reaches = [
            d * (k - 1) for k, d in zip(kernel, dilation, strict=True)
        ]  # onnxruntime has it without dilation
        outputs = [-(-side // s) for side, s in zip((9, 11), stride, strict=True)]
        missing = [
            (n - 1) * s + r + 1 - side
            for n, s, r, side in zip(outputs, stride, reaches, (9, 11), strict=True)
        ]
        attributes = onnx_padding(tuple((m // 2, m - m // 2) for m in missing))
    else:
        attributes = onnx_padding(spec.padding)
    ours = network(spec, (9, 11, 4), np.float32)
    x = drawn(3, 9, 11, 4, dtype=np.float32)
    inputs = {"X": channels_first(x), "W": onnx_weights(ours), "B": by_name(ours, ours.theta)["b"]}
    [expected] = runtime(
        "Conv", inputs, opset=11, strides=stride, dilations=dilation, group=groups, **attributes
    )
    assert_close(ours.forward(x), expected)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("padding", ["valid", (2, 1)], ids=str)
@pytest.mark.parametrize(("kernel", "stride", "dilation"), list(product([1, 4], [1, 3], [1, 2])))
def test_series_against_onnxruntime(kernel, stride, dilation, padding, groups) -> None:
    spec = Conv1dSpec(
        filters=4, kernel_size=kernel, stride=stride, dilation=dilation, padding=padding, groups=groups
    )
    ours = network(spec, (13, 4), np.float32)
    x = drawn(3, 13, 4, dtype=np.float32)
    inputs = {"X": channels_first(x), "W": onnx_weights(ours), "B": by_name(ours, ours.theta)["b"]}
    [expected] = runtime(
        "Conv",
        inputs,
        opset=11,
        strides=[stride],
        dilations=[dilation],
        group=groups,
        **onnx_padding(spec.padding),
    )
    assert_close(ours.forward(x), expected)


TRANSPOSED = [  # kernel, stride, dilation, output padding
    ((3, 3), (1, 1), (1, 1), (0, 0)),
    ((3, 4), (2, 3), (1, 1), (0, 0)),
    ((3, 4), (2, 3), (1, 1), (1, 2)),
    ((3, 2), (2, 1), (1, 3), (1, 0)),
]
ALLOWED = [
    (*case, padding)
    for case, padding in product(TRANSPOSED, ["same", "valid", 1, ((1, 0), (0, 1))])
    if padding != "same" or case[3] == (0, 0)
]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("kernel", "stride", "dilation", "output_padding", "padding"), ALLOWED, ids=str)
def test_transposed_against_onnxruntime(kernel, stride, dilation, output_padding, padding, groups) -> None:
    spec = TransposedConv2dSpec(
        filters=6,
        kernel_size=kernel,
        stride=stride,
        dilation=dilation,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
    )
    ours = network(spec, (4, 3, 2), np.float32)
    x = drawn(3, 4, 3, 2, dtype=np.float32)
    inputs = {"X": channels_first(x), "W": onnx_weights(ours), "B": by_name(ours, ours.theta)["b"]}
    [expected] = runtime(
        "ConvTranspose",
        inputs,
        opset=11,
        strides=stride,
        dilations=dilation,
        output_padding=output_padding,
        group=groups,
        **onnx_padding(spec.padding),
    )
    assert_close(ours.forward(x), expected)


PAIRS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": "same"},
    {"kernel_size": (2, 5), "stride": (2, 3), "padding": 1},
    {"kernel_size": (3, 2), "stride": 2, "padding": "same", "groups": 2},
    {"kernel_size": 2, "dilation": (3, 1), "groups": 4},
]


@pytest.mark.parametrize("fields", PAIRS, ids=str)
def test_transposed_is_the_adjoint(fields) -> None:
    """<conv(x), y> = <x, transposed(y)>, with the same weights."""
    images = (8, 10, 4)
    conv = network(Conv2dSpec(filters=8, bias=False, **fields), images)
    spec = TransposedConv2dSpec(filters=4, bias=False, **fields)
    down, right = (
        wanted - built
        for wanted, built in zip(images, spec.build(conv.out_shape).out_shape[:2], strict=False)
    )
    spec = spec.model_copy(update={"output_padding": (down, right)})  # what the stride leaves over
    transposed = network(spec, conv.out_shape)
    assert transposed.out_shape == images
    transposed.theta[:] = conv.theta
    x, y = drawn(3, *images), drawn(3, *conv.out_shape, seed=5)
    assert np.vdot(conv.forward(x), y) == pytest.approx(np.vdot(x, transposed.forward(y)), rel=1e-12)


specs = st.builds(
    Conv2dSpec,
    filters=st.sampled_from([8, 16]),
    kernel_size=st.sampled_from([(3, 3), (2, 4), (1, 3)]),
    stride=st.sampled_from([(1, 1), (2, 1)]),
    padding=st.sampled_from(["same", "valid", 1]),
    groups=st.sampled_from([1, 2, 8]),
)


@quickly
@given(spec=specs, seed=st.integers(0, 1000), a=st.floats(-3, 3))
def test_linear(spec, seed, a) -> None:
    ours = network(spec.model_copy(update={"bias": False}), (7, 6, 8))
    x, y = drawn(2, 7, 6, 8, seed=seed), drawn(2, 7, 6, 8, seed=seed + 1)
    together = ours.forward(a * x + y).copy()
    expected = a * ours.forward(x).copy()
    np.testing.assert_allclose(together, expected + ours.forward(y), rtol=1e-9, atol=1e-9)


@quickly
@given(spec=specs, down=st.integers(-2, 2), right=st.integers(-2, 2), seed=st.integers(0, 1000))
def test_a_shift_of_the_image_shifts_the_outputs(spec, down, right, seed) -> None:
    """An object on black ground, far from the border: by the stride times as many pixels."""
    ours = network(spec.model_copy(update={"bias": False}), (20, 16, 8))
    x = np.zeros((1, 20, 16, 8))
    x[:, 8:11, 7:9] = drawn(1, 3, 2, 8, seed=seed)
    moved = np.roll(x, (down * spec.stride[0], right * spec.stride[1]), (1, 2))
    y = ours.forward(x).copy()
    np.testing.assert_allclose(ours.forward(moved), np.roll(y, (down, right), (1, 2)), rtol=1e-9, atol=1e-9)


def test_hand_made_edges() -> None:
    """The difference of neighbours finds the border of a square."""
    ours = network(Conv2dSpec(filters=1, kernel_size=(1, 2)), (3, 4, 1))
    ours.theta[:] = [-1, 1, 0.5]
    x = np.zeros((1, 3, 4, 1))
    x[0, 1, 1:3] = 1
    np.testing.assert_array_equal(
        ours.forward(x)[0, :, :, 0], [[0.5, 0.5, 0.5], [1.5, 0.5, -0.5], [0.5, 0.5, 0.5]]
    )


@pytest.mark.parametrize(
    "spec", [Conv2dSpec(filters=32), TransposedConv2dSpec(filters=32)], ids=["conv", "transposed"]
)
def test_start_keeps_the_variance(spec) -> None:
    """He: variance 2 / fan in, the places of the kernel times a group's channels."""
    start = spec.model_copy(update={"groups": 4, "weight_initializer": HeNormalSpec()})
    built = network_of(start, in_shape=(8, 8, 64), batch=2)
    weights = by_name(built, built.theta)["W"]
    assert weights.size == 9 * 64 * 8
    assert weights.var() == pytest.approx(2 / (9 * 16), rel=0.1)
    assert not by_name(built, built.theta)["b"].any()


def test_cost_of_a_row() -> None:
    assert (
        Conv2dSpec(filters=96, kernel_size=11, stride=4).build((227, 227, 3)).multiply_adds() == 105_415_200
    )
    assert (
        TransposedConv2dSpec(filters=2, kernel_size=2, stride=2).build((3, 3, 4)).multiply_adds()
        == 9 * 4 * 4 * 2
    )


REFUSED: list[tuple[ConvSpec, Shape, tuple[str, ...]]] = [
    (Conv1dSpec(filters=1), (9,), ()),
    (Conv1dSpec(filters=1), (9, 9, 1), ()),
    (Conv2dSpec(filters=1), (9, 9), ()),
    (TransposedConv2dSpec(filters=1), (9, 9), ()),
    (Conv1dSpec(filters=1, kernel_size=10), (9, 1), ("kernel_size",)),
    (Conv1dSpec(filters=1, kernel_size=4, dilation=3), (9, 1), ("kernel_size",)),
    (Conv2dSpec(filters=1, kernel_size=(2, 6), padding=((0, 0), (1, 1))), (3, 3, 1), ("kernel_size",)),
    (Conv2dSpec(filters=4, groups=2), (9, 9, 3), ("groups",)),
    (Conv2dSpec(filters=3, groups=2), (9, 9, 4), ("filters",)),
    (TransposedConv2dSpec(filters=1, padding=4), (3, 3, 1), ("padding",)),
    (TransposedConv2dSpec(filters=1, stride=2, output_padding=(0, 2)), (3, 3, 1), ("output_padding",)),
    (
        TransposedConv2dSpec(filters=1, stride=2, padding="same", output_padding=(0, 1)),
        (3, 3, 1),
        ("output_padding",),
    ),
    (TransposedConv2dSpec(filters=1, groups=2), (3, 3, 2), ("filters",)),
]


@pytest.mark.parametrize(("spec", "in_shape", "path"), REFUSED, ids=lambda value: str(value)[:60])
def test_refused(spec: ConvSpec, in_shape: Shape, path) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec.build(in_shape)
    assert caught.value.path == path


@pytest.mark.parametrize(
    "fields",
    [
        {"filters": 0},
        {"filters": 1, "kernel_size": 0},
        {"filters": 1, "kernel_size": (3, 3, 3)},
        {"filters": 1, "stride": (1, 0)},
        {"filters": 1, "padding": -1},
        {"filters": 1, "padding": "full"},
        {"filters": 1, "padding": ((1, 1), (1, -1))},
        {"filters": 1, "dilation": 10**9},
    ],
    ids=str,
)
def test_not_a_spec(fields) -> None:
    with pytest.raises(ValidationError):
        Conv2dSpec(**fields)


def test_one_number_stands_for_both_and_all() -> None:
    spec = Conv2dSpec.model_validate({"filters": 1, "kernel_size": 5, "stride": [2, 1], "padding": 2})
    assert spec == Conv2dSpec(filters=1, kernel_size=(5, 5), stride=(2, 1), padding=((2, 2), (2, 2)))
    assert Conv2dSpec(filters=1, padding=(1, 2)).padding == ((1, 1), (2, 2))
    assert Conv2dSpec.model_validate(spec.model_dump()) == spec


@pytest.mark.parametrize("in_shape", [(10**9, 10**9, 10**9), (4096, 4096, 4096)], ids=str)
@pytest.mark.parametrize("groups", [1, 4096])
def test_absurd_numbers_are_only_numbers(in_shape, groups) -> None:
    shape = (*in_shape[:2], in_shape[2] // groups * groups)
    for spec in (
        Conv2dSpec(filters=4096, kernel_size=4096, padding="same", groups=groups),
        TransposedConv2dSpec(filters=4096, kernel_size=4096, stride=4096, groups=groups),
        Conv2dSpec(filters=4096, padding=4096, groups=groups),
    ):
        layer = spec.build(shape)
        assert layer.multiply_adds() > 0
        assert layer.buffer_values() > 0
        assert layer.fixed_values() > 0
