"""Normalisations against ONNX's implementations, and the statistics that they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize
from onnx_node import channels_first, channels_last, reference, runtime
from pydantic import ValidationError

from engine.arrays import Array, Shape
from engine.layers import LayerSpec
from engine.layers.dense import DenseSpec
from engine.layers.normalization.batch import BatchNormalizationSpec
from engine.layers.normalization.group import GroupNormalizationSpec
from engine.layers.normalization.layer import LayerNormalizationSpec, RmsNormalizationSpec
from engine.network import Network
from engine.spec import InvalidSpec

SHAPES = [(6,), (5, 6), (4, 3, 6), (17, 31, 6), (8, 8, 300)]  # blocks of one position, of some, of all
EPSILON = 2**-10  # ONNX holds attributes in float32
DOUBLE = 11  # of ONNX's types: what its group normalisation takes the moments in

each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
quickly = settings(max_examples=25, deadline=None, derandomize=True)


def draw(shape: Shape, rows: int = 3) -> Array:
    """Values whose channels differ in mean and deviation."""
    rng = np.random.default_rng(5)
    channels = shape[-1]
    return rng.standard_normal((rows, *shape)) * np.linspace(0.5, 3, channels) + np.arange(channels)


def state_of(network: Network) -> tuple[Array, Array]:
    """The running mean and variance of a network of one batch normalisation, as views."""
    mean, variance = network.state.reshape(2, -1)
    return mean, variance


@each_shape
def test_batch_normalization_in_training(shape: Shape) -> None:
    """The outputs and the running moments are those of ONNX, whose running variance is divided by n too."""
    network = network_of(BatchNormalizationSpec(epsilon=EPSILON, momentum=0.75), in_shape=shape, batch=3)
    parameters, x = randomize(network), draw(shape)
    mean, variance = state_of(network)
    mean[:], variance[:] = np.arange(shape[-1]), 2
    inputs = {
        "x": channels_first(x),
        **parameters,
        "running_mean": mean.copy(),
        "running_variance": variance.copy(),
    }
    expected, expected_mean, expected_variance = reference(
        "BatchNormalization", inputs, 3, opset=15, epsilon=EPSILON, momentum=0.75, training_mode=1
    )
    y = network.forward(x, train=True)
    np.testing.assert_allclose(y, channels_last(expected), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-12)


@each_shape
def test_batch_normalization_in_evaluation(shape: Shape) -> None:
    network = network_of(BatchNormalizationSpec(epsilon=EPSILON), in_shape=shape, batch=3)
    parameters, x = randomize(network), draw(shape)
    mean, variance = state_of(network)
    mean[:], variance[:] = np.arange(shape[-1]), 2
    inputs = {"x": channels_first(x), **parameters, "running_mean": mean, "running_variance": variance}
    kept = network.state.copy()
    [expected] = runtime("BatchNormalization", inputs, opset=15, epsilon=EPSILON)
    np.testing.assert_allclose(network.forward(x), channels_last(expected), rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(network.state, kept)


@each_shape
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_normalization(shape: Shape, groups: int) -> None:
    network = network_of(GroupNormalizationSpec(groups=groups, epsilon=EPSILON), in_shape=shape, batch=3)
    inputs = {"x": channels_first(draw(shape)), **randomize(network)}
    [expected] = reference(
        "GroupNormalization", inputs, opset=21, num_groups=groups, epsilon=EPSILON, stash_type=DOUBLE
    )
    y = network.forward(draw(shape), train=True)
    np.testing.assert_allclose(y, channels_last(expected), rtol=1e-9, atol=1e-11)


@each_shape
def test_as_many_groups_as_channels_is_instance_normalization(shape: Shape) -> None:
    spec = GroupNormalizationSpec(groups=shape[-1], epsilon=EPSILON)
    network = network_of(spec, in_shape=shape, batch=3)
    inputs = {"x": channels_first(draw(shape)), **randomize(network)}
    [expected] = reference("InstanceNormalization", inputs, opset=22, epsilon=EPSILON)
    np.testing.assert_allclose(network.forward(draw(shape)), channels_last(expected), rtol=1e-9, atol=1e-11)


@each_shape
@pytest.mark.parametrize(
    ("spec", "op", "opset"),
    [
        (LayerNormalizationSpec(epsilon=EPSILON), "LayerNormalization", 17),
        (RmsNormalizationSpec(epsilon=EPSILON), "RMSNormalization", 23),
    ],
    ids=["layer", "rms"],
)
def test_normalizations_of_a_position(spec: LayerSpec, op: str, opset: int, shape: Shape) -> None:
    """ONNX takes their moments in float32."""
    network = network_of(spec, in_shape=shape, batch=3, dtype=np.float32)
    x = draw(shape).astype(np.float32)
    inputs = {"x": x, **randomize(network)}
    [expected] = runtime(op, inputs, opset=opset, axis=-1, epsilon=EPSILON)
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-4, atol=1e-5)


@st.composite
def batches(draw: st.DrawFn) -> Array:
    """(rows, positions, 4), with a mean and a deviation of their own."""
    rows, positions = draw(st.integers(1, 5)), draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.standard_normal((rows, positions, 4))
    return x * draw(st.floats(0.1, 100)) + draw(st.floats(-100, 100))


@quickly
@given(batches())
@pytest.mark.parametrize(
    ("spec", "axes"),
    [
        (BatchNormalizationSpec(epsilon=1e-8), (0, 1)),
        (GroupNormalizationSpec(groups=4, epsilon=1e-8), (1,)),
        (GroupNormalizationSpec(groups=1, epsilon=1e-8), (1, 2)),
        (LayerNormalizationSpec(epsilon=1e-8), (2,)),
    ],
    ids=["batch", "instance", "row", "layer"],
)
def test_mean_is_0_and_variance_1(spec: LayerSpec, axes: tuple[int, ...], x: Array) -> None:
    y = network_of(spec, in_shape=x.shape[1:], batch=5).forward(x, train=True)
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-9)
    variance = x.var(axis=axes)
    np.testing.assert_allclose(y.var(axis=axes), variance / (variance + 1e-8), rtol=1e-9)


@quickly
@given(batches(), st.floats(0.1, 10), st.floats(-10, 10))
@pytest.mark.parametrize(
    "spec", [BatchNormalizationSpec(), GroupNormalizationSpec(groups=2), LayerNormalizationSpec()], ids=repr
)
def test_scale_and_shift_of_the_input_do_not_matter(
    spec: LayerSpec, x: Array, scale: float, shift: float
) -> None:
    spec = spec.model_copy(update={"epsilon": 1e-20})  # below its bound: as good as none
    network = network_of(spec, in_shape=x.shape[1:], batch=5)
    y = network.forward(x, train=True).copy()
    np.testing.assert_allclose(network.forward(scale * x + shift, train=True), y, rtol=1e-6, atol=1e-6)


@quickly
@given(batches())
def test_rms_of_rms_normalization_is_1(x: Array) -> None:
    y = network_of(RmsNormalizationSpec(epsilon=1e-8), in_shape=x.shape[1:], batch=5).forward(x)
    np.testing.assert_allclose(np.square(y).mean(axis=-1), 1, rtol=1e-4)


@quickly
@given(batches())
@pytest.mark.parametrize("spec", [GroupNormalizationSpec(groups=2), LayerNormalizationSpec()], ids=repr)
def test_rows_do_not_depend_on_each_other(spec: LayerSpec, x: Array) -> None:
    network = network_of(spec, in_shape=x.shape[1:], batch=5)
    y = network.forward(x, train=True).copy()
    np.testing.assert_allclose(network.forward(x[:1], train=True), y[:1], rtol=1e-9, atol=1e-12)


@each_shape
@pytest.mark.parametrize(
    "spec",
    [
        BatchNormalizationSpec(),
        GroupNormalizationSpec(groups=2),
        LayerNormalizationSpec(),
        RmsNormalizationSpec(),
    ],
    ids=repr,
)
def test_bits_of_a_row_do_not_depend_on_its_place(spec: LayerSpec, shape: Shape) -> None:
    """In evaluation, so that a model may answer many rows at a time."""
    network = network_of(spec, in_shape=shape, batch=64, dtype=np.float32)
    y = network.forward(np.repeat(draw(shape, 1).astype(np.float32), 64, axis=0))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:1], y.shape))


def test_a_batch_of_one_row_and_constant_features_give_beta() -> None:
    network = network_of(BatchNormalizationSpec(), in_shape=(4,), batch=5)
    parameters = randomize(network)
    for x in (np.array([[1e4, -1e4, 0.0, 3.0]]), np.tile([1e4, -1e4, 0.0, 3.0], (5, 1))):
        y = network.forward(x, train=True)
        np.testing.assert_allclose(y, np.broadcast_to(parameters["beta"], x.shape), atol=1e-8)
        assert not network.backward(np.ones_like(y)).any()


def test_batch_normalization_before_a_bias_cancels_it() -> None:
    """What is added to all rows alike has no effect in training, and no gradient."""
    network = network_of(DenseSpec(units=3), BatchNormalizationSpec(), in_shape=(4,), batch=5)
    y = network.forward(draw((4,), 5), train=True)
    network.backward(np.random.default_rng(0).standard_normal(y.shape))
    np.testing.assert_allclose(by_name(network, network.grad)["b"], 0, atol=1e-12)


def test_large_means_do_not_drown_the_deviation() -> None:
    """In float32 with values of 10,000 +- 1, whose squares would leave nothing of the variance."""
    x = (np.random.default_rng(0).standard_normal((64, 8, 8, 3)) + 1e4).astype(np.float32)
    y = network_of(BatchNormalizationSpec(), in_shape=(8, 8, 3), batch=64, dtype=np.float32).forward(x, True)
    exact = x.astype(np.float64)
    exact -= exact.mean(axis=(0, 1, 2))
    exact /= exact.std(axis=(0, 1, 2))
    np.testing.assert_allclose(y, exact, atol=2e-3)


def test_weight_decay_leaves_gamma_and_beta_alone() -> None:
    for spec in (
        BatchNormalizationSpec(),
        GroupNormalizationSpec(groups=1),
        LayerNormalizationSpec(),
        RmsNormalizationSpec(),
    ):
        network = network_of(spec, in_shape=(4,))
        assert not any(segment.decay for segment in network.segments)


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(InvalidSpec, match="6 channels cannot be put into 4 groups") as error:
        GroupNormalizationSpec(groups=4).build((5, 6))
    assert error.value.path == ("groups",)


@pytest.mark.parametrize(
    "spec",
    [
        BatchNormalizationSpec(),
        GroupNormalizationSpec(groups=1),
        LayerNormalizationSpec(),
        RmsNormalizationSpec(),
    ],
    ids=repr,
)
def test_an_axis_is_needed(spec: LayerSpec) -> None:
    with pytest.raises(InvalidSpec, match="at least one axis"):
        spec.build(())


@pytest.mark.parametrize("shape", [(10**30,), (10**30, 10**25, 3), (10**15 + 37, 1)])
def test_absurd_shapes_are_built(shape: Shape) -> None:
    layer = BatchNormalizationSpec().build(shape)
    assert layer.buffer_values() > layer.in_shape[-1]
    assert layer.fixed_values() > 0


@pytest.mark.parametrize("values", [{"epsilon": 0}, {"epsilon": 2}, {"momentum": 1}, {"momentum": -0.1}])
def test_fields_have_bounds(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        BatchNormalizationSpec(**values)
