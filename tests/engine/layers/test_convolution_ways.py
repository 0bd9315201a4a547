"""Every way of computing a convolution against loops written from the formula, in chunks of all sizes."""

import tracemalloc
from collections.abc import Callable

import naive_convolution
import numpy as np
import pytest

from engine.arrays import Array
from engine.layers.convolution import depthwise, im2col, winograd, workers
from engine.layers.convolution.base import Convolution, Geometry
from engine.layers.convolution.choice import way
from engine.layers.convolution.conv import Conv, Conv1dSpec, Conv2dSpec, ConvSpec
from engine.layers.convolution.depthwise import Depthwise
from engine.layers.convolution.im2col import Im2col
from engine.layers.convolution.winograd import Winograd
from engine.layers.convolution.workers import Workers, blas_threads
from engine.layers.images.sliding import Axis
from engine.network import Network, NetworkSpec

Way = Callable[[Geometry], Convolution]


@pytest.fixture(autouse=True, scope="module")
def _two_threads():
    """Of BLAS, on which it depends whether workers share the images; other tests have one."""
    with workers.BLAS.limit(limits=2, user_api="blas"):
        yield


BARE = Axis(8, 3)
PADDED = Axis(7, 3, before=1, after=1)
ODD = Axis(5, 3, before=1, after=1)
LOPSIDED = Axis(4, 3, before=0, after=3)
FAR = Axis(3, 3, before=4, after=3)  # kernels that see only zeros

CASES: list[tuple[Way, Geometry]] = [
    *(
        (Winograd, Geometry(down, along, 3, 2))
        for down in (PADDED, BARE, FAR)
        for along in (ODD, LOPSIDED, FAR)
    ),
    *((lambda g, q=q: Im2col(g, q), Geometry(PADDED, Axis(8, 3), 2, 3)) for q in (1, 2, 3, 6)),
    *((lambda g, q=q: Im2col(g, q), Geometry(BARE, Axis(9, 2, 2, before=2), 2, 3)) for q in (1, 5)),
    (lambda g: Im2col(g, 1), Geometry(Axis(9, 2, 3, 2), Axis(7, 3, 2, 2, 1, 0), 4, 6, groups=2)),
    (lambda g: Im2col(g, 1), Geometry(FAR, LOPSIDED, 2, 2)),
    (lambda g: Im2col(g, 1), Geometry(Axis(6, 1), Axis(1, 1), 2, 2)),
    (Depthwise, Geometry(PADDED, ODD, 3, 3, groups=3)),
    (Depthwise, Geometry(BARE, Axis(7, 2, 2, 3), 2, 4, groups=2)),
    (Depthwise, Geometry(FAR, LOPSIDED, 2, 6, groups=2)),
]


def computed(one: Convolution, x: Array, weights: Array, bias: Array, dy: Array) -> list[Array]:
    """y, dC/dW, dC/db and dC/dx, each from a second call, so that nothing of the first is left."""
    y, d_weights, d_bias, dx = (
        np.empty_like(dy),
        np.empty_like(weights),
        np.empty_like(bias),
        np.empty_like(x),
    )
    for _ in range(2):
        one.forward(x, weights, bias, y)
        one.weight_gradient(x, dy, d_weights, d_bias)
        one.input_gradient(dy, weights, dx)
    return [y, d_weights, d_bias, dx]


@pytest.mark.parametrize(("values", "least"), [(1 << 20, 1), (150, 4), (40, 2), (1, 1)])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_against_loops(monkeypatch, case, values, least) -> None:
    """All images in one chunk; a few; a few rows; one row."""
    for module in (winograd, im2col, depthwise):
        monkeypatch.setattr(module, "CHUNK_VALUES", values)
    monkeypatch.setattr(winograd, "LEAST_TILES", least)
    monkeypatch.setattr(im2col, "LEAST_ROWS", least)
    make, geometry = CASES[case]
    rng = np.random.default_rng(case)
    x, weights, bias, dy = (
        rng.standard_normal(shape)
        for shape in (
            (5, *geometry.in_shape),
            geometry.weight_shape,
            (geometry.filters,),
            (5, *geometry.out_shape),
        )
    )
    expected = [
        naive_convolution.forward(geometry, x, weights, bias),
        *naive_convolution.gradients(geometry, x, weights, dy),
    ]
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        made = make(geometry)
        made.allocate(np.dtype(dtype))
        arrays = [array.astype(dtype) for array in (x, weights, bias, dy)]
        for one, other in zip(computed(made, *arrays), expected, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("spec", "in_shape", "expected"),
    [
        (Conv2dSpec(filters=8, padding="same"), (8, 8, 8), Winograd),
        (Conv2dSpec(filters=8, padding="same"), (8, 8, 3), Im2col),
        (Conv2dSpec(filters=8, padding="valid"), (5, 8, 8), Im2col),  # three rows of outputs
        (Conv2dSpec(filters=8, padding="same", stride=(1, 2)), (8, 8, 8), Im2col),
        (Conv2dSpec(filters=8, padding="same", dilation=(2, 1)), (8, 8, 8), Im2col),
        (Conv2dSpec(filters=16, padding="same", groups=2), (8, 8, 16), Im2col),
        (Conv2dSpec(filters=16, padding="same", groups=8), (8, 8, 8), Depthwise),
        (Conv2dSpec(filters=8, kernel_size=(3, 5), padding="same"), (8, 8, 8), Im2col),
        (Conv1dSpec(filters=8, padding="same"), (8, 8), Im2col),
        (Conv1dSpec(filters=8, padding="same", groups=8), (8, 8), Depthwise),
    ],
)
def test_way_for_a_shape(spec: ConvSpec, in_shape, expected) -> None:
    assert type(way(spec.build(in_shape).geometry)) is expected


@pytest.mark.parametrize(
    ("filters", "kernel_size", "width", "block"),
    [(6, 5, 28, 7), (16, 5, 10, 5), (32, 3, 32, 2), (64, 3, 32, 1), (6, 1, 28, 2), (6, 5, 23, 1)],
)
def test_few_filters_share_a_window(filters, kernel_size, width, block) -> None:
    """LeNet's two layers, the first of a network for 32 x 32 colour images; many filters; a small kernel; a prime."""
    geometry = Geometry(Axis(28, 5), Axis(width + kernel_size - 1, kernel_size), 1, filters)
    assert way(geometry).block == block


def chain(dtype: type[np.floating]) -> Network:
    """Two convolutions with biases that are not 0, both by Winograd's way if that is allowed."""
    layers = (Conv2dSpec(filters=9, padding="same"), Conv2dSpec(filters=8, padding=((0, 2), (1, 0))))
    network = Network(
        NetworkSpec(layers=layers),
        (7, 6, 8),
        batch=4,
        rng=np.random.default_rng(0),
        dtype=dtype,
        input_gradient=True,
    )
    network.theta[:] = np.random.default_rng(1).normal(0, 0.3, network.theta.size)
    return network


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_two_layers_fast_and_general(monkeypatch, dtype, tolerance) -> None:
    fast = chain(dtype)
    assert all(isinstance(way(layer.geometry), Winograd) for layer in fast.layers)
    monkeypatch.setattr("engine.layers.convolution.choice.way", lambda geometry: Im2col(geometry, 1))
    general = chain(dtype)
    x = np.random.default_rng(2).standard_normal((3, 7, 6, 8)).astype(dtype)
    results = []
    for network in (fast, general):
        y = network.forward(x, train=True)
        results.append((y.copy(), network.backward(y.copy()), network.grad))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())


def test_winograd_is_stable() -> None:
    """In float32 its error is of the order of the general way's, for numbers of any size."""
    geometry = Geometry(PADDED, PADDED, 64, 64)
    rng = np.random.default_rng(3)
    x, weights = (
        rng.standard_normal((2, *geometry.in_shape)) * 1e4,
        rng.standard_normal(geometry.weight_shape),
    )
    expected = naive_convolution.forward(geometry, x, weights, np.zeros(64))
    errors = []
    for made in (Winograd(geometry), Im2col(geometry, 1)):
        made.allocate(np.dtype(np.float32))
        y = np.empty((2, *geometry.out_shape), np.float32)
        made.forward(x.astype(np.float32), weights.astype(np.float32), None, y)
        errors.append(np.abs(y - expected).max() / np.abs(expected).max())
    assert errors[0] < 3 * errors[1] < 1e-5


@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_workers_share_the_images(monkeypatch, images) -> None:
    """Three of them; the same bits each time, and BLAS has its threads back."""
    monkeypatch.setattr(workers, "WORTHWHILE", 0)
    geometry = Geometry(PADDED, ODD, 3, 2)
    rng = np.random.default_rng(4)
    x, dy = (
        rng.standard_normal((images, *geometry.in_shape)),
        rng.standard_normal((images, *geometry.out_shape)),
    )
    weights, bias = rng.standard_normal(geometry.weight_shape), rng.standard_normal(2)
    threads = blas_threads()
    results = []
    for made in (
        Im2col(geometry, 1),
        *(Workers(geometry, [Im2col(geometry, 1) for _ in range(3)]) for _ in "ab"),
    ):
        made.allocate(np.dtype(float))
        results.append(computed(made, x, weights, bias, dy))
    for alone, shared, again in zip(*results, strict=True):
        np.testing.assert_allclose(shared, alone, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(shared, again)
    assert blas_threads() == threads


def test_a_workers_error_is_told(monkeypatch) -> None:
    """An error of any worker reaches the caller, after all of them have ended."""
    monkeypatch.setattr(workers, "WORTHWHILE", 0)
    geometry = Geometry(PADDED, ODD, 3, 2)
    made = Workers(geometry, [Im2col(geometry, 1), Im2col(geometry, 1)])
    made.allocate(np.dtype(float))
    made._workers[1]._band = None
    with pytest.raises(AttributeError):
        made.forward(
            np.ones((4, *geometry.in_shape)), np.ones(geometry.weight_shape), None, np.ones((4, 7, 5, 2))
        )


LARGE = [
    (Conv2dSpec(filters=16, padding="same"), (32, 32, 16)),
    (Conv2dSpec(filters=16, padding="same", groups=16), (32, 32, 16)),
    (Conv2dSpec(filters=96, kernel_size=11, stride=4), (227, 227, 3)),  # AlexNet's first
    (Conv2dSpec(filters=256, kernel_size=5, padding="same", groups=2), (27, 27, 96)),  # and its second
    (Conv1dSpec(filters=32, kernel_size=5), (4000, 32)),
]
each_large = pytest.mark.parametrize(
    ("spec", "in_shape"), LARGE, ids=["winograd", "depthwise", "a1", "a2", "series"]
)


def bound(layer: Conv, batch: int) -> None:
    params = {name: np.ones(shape, np.float32) for name, shape in layer.param_shapes.items()}
    grads = {name: np.zeros_like(array) for name, array in params.items()}
    layer.bind(params, grads, {}, batch=batch, dtype=np.dtype(np.float32), rng=np.random.default_rng(0))


@each_large
def test_workspaces_are_as_promised_and_bounded(spec: ConvSpec, in_shape) -> None:
    layer = spec.build(in_shape)
    tracemalloc.start()
    try:
        bound(layer, batch=2)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    weights = sum(int(np.prod(shape)) for shape in layer.param_shapes.values())
    promised = 4 * (2 * weights + 2 * layer.buffer_values() + layer.fixed_values())
    assert taken == pytest.approx(promised, rel=0.01, abs=16 * 1024)
    bound_of_one = 3 * layer.buffer_values() + 4 * weights + 1_200_000
    assert layer.fixed_values() < blas_threads() * bound_of_one


@each_large
def test_step_allocates_the_same_for_few_and_many_rows(spec: ConvSpec, in_shape) -> None:
    peaks = []
    for batch in (2, 8):
        layer = spec.build(in_shape)
        bound(layer, batch)
        x = np.ones((batch, *in_shape), np.float32)
        dy = np.ones_like(layer.forward(x, train=True))
        layer.backward(dy)
        tracemalloc.start()
        try:
            layer.forward(x, train=True)
            layer.backward(dy)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert max(peaks) < 64 * 1024
    assert abs(peaks[0] - peaks[1]) < 32 * 1024  # whether workers gather at the same time
