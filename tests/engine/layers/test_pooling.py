"""Pooling against onnxruntime, and its gradients against loops written from the formula."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import network_of
from onnx_node import channels_first, channels_last, runtime
from pydantic import ValidationError

from engine.arrays import Array
from engine.layers import LayerSpec
from engine.layers.pooling.pool import AveragePool1dSpec, AveragePool2dSpec, MaxPool1dSpec, MaxPool2dSpec
from engine.layers.pooling.whole import GlobalAveragePoolSpec, GlobalMaxPoolSpec
from engine.spec import InvalidSpec

POOL_SIZES = [(2, 2), (3, 3), (3, 2), (1, 4)]
STRIDES = [None, (1, 1), (2, 2), (2, 3)]
PADDINGS = ["valid", "same"]
PADS = {"valid": "VALID", "same": "SAME_UPPER"}

each_grid = pytest.mark.parametrize(
    ("pool_size", "stride", "padding"), list(product(POOL_SIZES, STRIDES, PADDINGS)), ids=str
)
quickly = settings(max_examples=30, deadline=None, derandomize=True)


def images(height: int, width: int, channels: int = 3, rows: int = 2) -> Array:
    return np.random.default_rng(3).standard_normal((rows, height, width, channels)).astype(np.float32)


def small_numbers(*shape: int) -> Array:
    """Of which many are equal."""
    return np.random.default_rng(4).integers(-1, 2, shape).astype(float)


def forward(spec: LayerSpec, x: Array) -> Array:
    network = network_of(spec, in_shape=x.shape[1:], dtype=x.dtype.type, batch=len(x))
    return network.forward(x, train=True).copy()


@each_grid
@pytest.mark.parametrize(
    "shape", [(7, 8), (9, 5)], ids=str
)  # onnxruntime refuses "same" with less than no padding
def test_images_against_onnxruntime(pool_size, stride, padding, shape) -> None:
    x = images(*shape)
    options = {"kernel_shape": pool_size, "strides": stride or pool_size, "auto_pad": PADS[padding]}
    inputs = {"X": channels_first(x)}
    [largest] = runtime("MaxPool", inputs, opset=12, **options)
    [mean] = runtime("AveragePool", inputs, opset=12, count_include_pad=0, **options)
    fields = {"pool_size": pool_size, "stride": stride, "padding": padding}
    np.testing.assert_array_equal(forward(MaxPool2dSpec(**fields), x), channels_last(largest))
    np.testing.assert_allclose(
        forward(AveragePool2dSpec(**fields), x), channels_last(mean), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("pool_size", "stride", "padding"), list(product([1, 2, 3], [None, 1, 2], PADDINGS)))
def test_series_against_onnxruntime(pool_size, stride, padding) -> None:
    x = images(7, 1)[:, :, 0]
    options = {"kernel_shape": [pool_size], "strides": [stride or pool_size], "auto_pad": PADS[padding]}
    inputs = {"X": channels_first(x)}
    [largest] = runtime("MaxPool", inputs, opset=12, **options)
    [mean] = runtime("AveragePool", inputs, opset=12, count_include_pad=0, **options)
    fields = {"pool_size": pool_size, "stride": stride, "padding": padding}
    np.testing.assert_array_equal(forward(MaxPool1dSpec(**fields), x), channels_last(largest))
    np.testing.assert_allclose(
        forward(AveragePool1dSpec(**fields), x), channels_last(mean), rtol=1e-5, atol=1e-6
    )


def test_everything_against_onnxruntime() -> None:
    x = images(4, 5)
    inputs = {"X": channels_first(x)}
    [largest], [mean] = (runtime(f"Global{kind}Pool", inputs, opset=12) for kind in ("Max", "Average"))
    np.testing.assert_array_equal(forward(GlobalMaxPoolSpec(), x), largest[:, :, 0, 0])
    np.testing.assert_allclose(forward(GlobalAveragePoolSpec(), x), mean[:, :, 0, 0], rtol=1e-5, atol=1e-6)


def windows_of(side: int, pool: int, stride: int, padding: str) -> list[range]:
    """The part of an axis that each window sees, from the definition of "valid" and "same"."""
    if padding == "valid":
        return [range(start, start + pool) for start in range(0, side - pool + 1, stride)]
    count = -(-side // stride)
    before = max((count - 1) * stride + pool - side, 0) // 2
    starts = [i * stride - before for i in range(count)]
    return [range(max(0, start), min(start + pool, side)) for start in starts]


@each_grid
@pytest.mark.parametrize("train", [True, False])
def test_gradients_against_loops_where_many_values_are_equal(pool_size, stride, padding, train) -> None:
    """The first largest value of a window, row by row, gets all of it; for the mean, all get their share."""
    x = small_numbers(2, 7, 6, 2)
    fields = {"pool_size": pool_size, "stride": stride, "padding": padding}
    down, right = stride or pool_size
    grid = list(
        product(
            enumerate(windows_of(7, pool_size[0], down, padding)),
            enumerate(windows_of(6, pool_size[1], right, padding)),
        )
    )
    for spec in (MaxPool2dSpec(**fields), AveragePool2dSpec(**fields)):
        network = network_of(spec, in_shape=x.shape[1:])
        dy = np.random.default_rng(5).standard_normal(network.forward(x, train=train).shape)
        expected = np.zeros_like(x)
        for (i, rows), (j, columns) in grid:
            seen = list(product(rows, columns))
            for n, c in product(range(2), range(2)):
                if isinstance(spec, MaxPool2dSpec):
                    largest = max(seen, key=lambda place: x[n, *place, c])
                    expected[n, *largest, c] += dy[n, i, j, c]
                else:
                    for place in seen:
                        expected[n, *place, c] += dy[n, i, j, c] / len(seen)
        np.testing.assert_allclose(network.backward(dy.copy()), expected, atol=1e-12)


def test_global_maximum_gives_its_gradient_to_the_first() -> None:
    x = small_numbers(3, 4, 5, 6)
    network = network_of(GlobalMaxPoolSpec(), in_shape=x.shape[1:])
    dy = np.random.default_rng(5).standard_normal(network.forward(x, train=True).shape)
    flat = x.reshape(3, 20, 6)
    expected = np.zeros_like(flat)
    np.put_along_axis(expected, flat.argmax(axis=1)[:, None], dy[:, None], axis=1)
    np.testing.assert_array_equal(network.backward(dy.copy()), expected.reshape(x.shape))


@quickly
@given(
    side=st.integers(1, 9),
    pool=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.sampled_from(PADDINGS),
    seed=st.integers(0, 9),
)
def test_gradients_are_handed_on_in_full(side, pool, stride, padding, seed) -> None:
    """A maximum or a mean of ones is 1, so the gradients of x sum to those of y, ties or not."""
    if padding == "valid" and pool > side:
        return
    x = np.random.default_rng(seed).integers(0, 3, (2, side, side, 1)).astype(float)
    for kind in (MaxPool2dSpec, AveragePool2dSpec):
        network = network_of(kind(pool_size=pool, stride=stride, padding=padding), in_shape=x.shape[1:])
        dy = np.random.default_rng(seed).standard_normal(network.forward(x, train=True).shape)
        assert network.backward(dy.copy()).sum() == pytest.approx(dy.sum())


@quickly
@given(pool=st.integers(1, 4), stride=st.integers(1, 3), by=st.integers(0, 3), seed=st.integers(0, 99))
def test_what_moves_by_strides_moves_in_the_output(pool, stride, by, seed) -> None:
    wide = np.random.default_rng(seed).standard_normal((2, 20, 5, 2))
    start = by * stride
    for kind in (MaxPool2dSpec, AveragePool2dSpec):
        spec = kind(pool_size=(pool, 2), stride=stride)
        whole, moved = forward(spec, wide), forward(spec, np.ascontiguousarray(wide[:, start:]))
        np.testing.assert_allclose(moved, whole[:, by:], rtol=1e-12, atol=1e-15)


def test_large_windows_have_more_places_than_a_byte_counts() -> None:
    x = np.random.default_rng(1).permutation(17 * 18).reshape(1, 17, 18, 1).astype(float)
    network = network_of(MaxPool2dSpec(pool_size=(17, 18)), in_shape=(17, 18, 1), batch=1)
    assert network.forward(x, train=True) == x.max()
    np.testing.assert_array_equal(network.backward(np.ones((1, 1, 1, 1))), x == x.max())


@pytest.mark.parametrize("kind", [MaxPool2dSpec, AveragePool2dSpec])
def test_images_that_do_not_go_in(kind) -> None:
    with pytest.raises(InvalidSpec, match="takes images"):
        kind().build((8, 8))
    with pytest.raises(InvalidSpec, match="does not fit") as error:
        kind(pool_size=(2, 9)).build((8, 8, 1))
    assert error.value.path == ("pool_size",)
    assert kind(pool_size=(2, 9), padding="same").build((8, 8, 1)).out_shape == (4, 1, 1)
    assert kind(pool_size=128).build((200, 200, 1)).out_shape == (1, 1, 1)
    with pytest.raises(InvalidSpec, match="pool in several steps") as error:
        kind(pool_size=129).build((200, 200, 1))
    assert error.value.path == ("pool_size",)


@pytest.mark.parametrize("kind", [MaxPool1dSpec, AveragePool1dSpec])
def test_series_that_do_not_go_in(kind) -> None:
    with pytest.raises(InvalidSpec, match="takes series"):
        kind().build((8, 8, 1))
    with pytest.raises(InvalidSpec, match="does not fit") as error:
        kind(pool_size=9).build((8, 1))
    assert error.value.path == ("pool_size",)


@pytest.mark.parametrize("kind", [GlobalMaxPoolSpec, GlobalAveragePoolSpec])
def test_global_pooling_needs_positions(kind) -> None:
    with pytest.raises(InvalidSpec, match="two axes or more"):
        kind().build((8,))
    assert kind().build((10**12, 10**12, 4)).out_shape == (4,)


@pytest.mark.parametrize(
    "fields", [{"pool_size": 0}, {"pool_size": (2, 2, 2)}, {"stride": 0}, {"padding": "full"}]
)
def test_bounds(fields) -> None:
    with pytest.raises(ValidationError):
        MaxPool2dSpec(**fields)


def test_one_number_stands_for_both_axes() -> None:
    assert MaxPool2dSpec(pool_size=3, stride=2) == MaxPool2dSpec(pool_size=(3, 3), stride=(2, 2))
    assert MaxPool2dSpec.model_validate_json('{"pool_size": 3}') == MaxPool2dSpec(pool_size=(3, 3))


def test_absurd_images_have_a_shape_and_a_price() -> None:
    layer = MaxPool2dSpec().build((10**15, 10**15, 10**6))
    assert layer.out_shape == (5 * 10**14, 5 * 10**14, 10**6)
    assert layer.buffer_values() > 10**36
