"""Reshape, permute, zero padding and upsampling against NumPy and onnxruntime."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import network_of
from onnx_node import channels_first, channels_last, runtime
from pydantic import ValidationError

from engine.arrays import Array, Shape
from engine.layers import LayerSpec
from engine.layers.images.upsampling import Upsampling1dSpec, Upsampling2dSpec
from engine.layers.images.zero_padding import ZeroPadding1dSpec, ZeroPadding2dSpec
from engine.layers.reshape import PermuteSpec, ReshapeSpec
from engine.spec import InvalidSpec

quickly = settings(max_examples=30, deadline=None, derandomize=True)


def draw(*shape: int) -> Array:
    return np.random.default_rng(3).standard_normal(shape)


def forward(spec: LayerSpec, x: Array) -> Array:
    network = network_of(spec, in_shape=x.shape[1:], dtype=x.dtype.type, batch=len(x))
    return network.forward(x, train=True).copy()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4, 6), (4, 6)), ((-1,), (24,)), ((2, -1, 3), (2, 4, 3)), ((24, -1), (24, 1))],
)
def test_reshape(shape: Shape, expected: Shape) -> None:
    x = draw(5, 2, 3, 4)
    np.testing.assert_array_equal(forward(ReshapeSpec(shape=shape), x), x.reshape(5, *expected))


@pytest.mark.parametrize("shape", [(5, 5), (7, -1), (-1, -1), (0, 24), (0, -1), (10**9,) * 8])
def test_reshape_into_what_does_not_hold_the_numbers(shape: Shape) -> None:
    with pytest.raises(InvalidSpec) as error:
        ReshapeSpec(shape=shape).build((2, 3, 4))
    assert error.value.path == ("shape",)


@pytest.mark.parametrize("shape", [(), (-2, 3), (1,) * 9])
def test_reshape_has_bounds(shape: Shape) -> None:
    with pytest.raises(ValidationError):
        ReshapeSpec(shape=shape)


@quickly
@given(axes=st.permutations([1, 2, 3]))
def test_permute(axes: list[int]) -> None:
    x = draw(5, 2, 3, 4)
    network = network_of(PermuteSpec(axes=axes), in_shape=(2, 3, 4))
    y = network.forward(x).copy()
    np.testing.assert_array_equal(y, x.transpose(0, *axes))
    np.testing.assert_array_equal(network.backward(y), x)


@pytest.mark.parametrize("axes", [(1, 2), (1, 2, 2), (2, 3, 4), (1, 2, 3, 4)])
def test_permute_names_each_axis_once(axes: Shape) -> None:
    with pytest.raises(InvalidSpec, match="each axis") as error:
        PermuteSpec(axes=axes).build((2, 3, 4))
    assert error.value.path == ("axes",)


@pytest.mark.parametrize(
    ("padding", "margins"),
    [
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 3), ((1, 1), (3, 3))),
        (((0, 1), (2, 0)), ((0, 1), (2, 0))),
    ],
)
def test_zero_padding_of_images(padding, margins) -> None:
    x = draw(2, 3, 4, 2)
    network = network_of(ZeroPadding2dSpec(padding=padding), in_shape=(3, 4, 2))
    y = network.forward(x).copy()
    np.testing.assert_array_equal(y, np.pad(x, ((0, 0), *margins, (0, 0))))
    np.testing.assert_array_equal(network.backward(y), x)


@pytest.mark.parametrize(("padding", "margins"), [(2, (2, 2)), ((0, 3), (0, 3))])
def test_zero_padding_of_series(padding, margins) -> None:
    x = draw(2, 5, 3)
    expected = np.pad(x, ((0, 0), margins, (0, 0)))
    np.testing.assert_array_equal(forward(ZeroPadding1dSpec(padding=padding), x), expected)


@pytest.mark.parametrize("factor", [1, 2, 3, (1, 4), (5, 2)])
@pytest.mark.parametrize(
    ("interpolation", "options"),
    [
        (
            "nearest",
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ),
        ("bilinear", {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}),
    ],
)
@pytest.mark.parametrize("shape", [(4, 5, 3), (1, 3, 2), (2, 1, 1)], ids=str)
def test_upsampling_of_images_against_onnxruntime(factor, interpolation, options, shape) -> None:
    x = draw(2, *shape).astype(np.float32)
    spec = Upsampling2dSpec(factor=factor, interpolation=interpolation)
    inputs = {
        "X": channels_first(x),
        "roi": np.empty(0, np.float32),
        "scales": np.array([1, 1, *spec.factor], np.float32),
    }
    [expected] = runtime("Resize", inputs, opset=13, **options)
    np.testing.assert_allclose(forward(spec, x), channels_last(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_upsampling_of_series(factor: int) -> None:
    x = draw(2, 4, 3)
    np.testing.assert_array_equal(forward(Upsampling1dSpec(factor=factor), x), np.repeat(x, factor, axis=1))


def test_a_large_factor_takes_calls_for_its_sides_not_for_its_area() -> None:
    x = draw(1, 1, 2, 3)  # 640,000 places in a block: a call for each would take seconds
    y = forward(Upsampling2dSpec(factor=800), x)
    np.testing.assert_array_equal(y, x.repeat(800, axis=1).repeat(800, axis=2))


@quickly
@given(
    factor=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    interpolation=st.sampled_from(["nearest", "bilinear"]),
    value=st.floats(-1e4, 1e4),
)
def test_upsampling_keeps_an_even_image_even(factor, interpolation, value) -> None:
    y = forward(Upsampling2dSpec(factor=factor, interpolation=interpolation), np.full((1, 3, 2, 1), value))
    np.testing.assert_allclose(y, value, rtol=1e-12)


@pytest.mark.parametrize(
    "spec", [ZeroPadding2dSpec(), Upsampling2dSpec(), Upsampling2dSpec(interpolation="bilinear")]
)
def test_images_are_asked_for(spec: LayerSpec) -> None:
    with pytest.raises(InvalidSpec, match="takes images"):
        spec.build((8, 8))
    assert spec.build((10**12, 10**12, 3)).buffer_values() > 10**24


@pytest.mark.parametrize("spec", [ZeroPadding1dSpec(), Upsampling1dSpec()])
def test_series_are_asked_for(spec: LayerSpec) -> None:
    with pytest.raises(InvalidSpec, match="takes series"):
        spec.build((8, 8, 1))
