"""The dense layer in its ntp form, and its start from data."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize

from engine.initializers import HeNormalSpec, NormalSpec
from engine.layers.activations.base import TanhSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.layers.tabular.scaling import ScalingSpec
from engine.network import NetworkSpec

each_form = pytest.mark.parametrize("form", ["standard", "ntp"])


def rows(count=300, features=7, seed=3):
    """Rows with means and deviations far from 0 and 1."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, features)) * rng.uniform(0.01, 50, features) + rng.normal(
        0, 20, features
    )


def weighted_sums(network, x):
    """z without b, by the formula."""
    scale = 1 / sqrt(x.shape[1]) if network.spec.layers[0].parametrization == "ntp" else 1.0
    return scale * x @ by_name(network, network.theta)["W"]


@pytest.mark.parametrize("bias", [True, False])
def test_ntp_by_hand(bias):
    network = network_of(DenseSpec(units=3, parametrization="ntp", bias=bias), in_shape=(4,))
    theta = randomize(network)
    x, dy = np.random.default_rng(2).standard_normal((2, 5, 4))
    dy = dy[:, :3].copy()
    w, b = theta["W"] / 2, theta.get("b", np.zeros(3))
    np.testing.assert_allclose(network.forward(x), x @ w + b, rtol=1e-12)
    np.testing.assert_allclose(network.backward(dy.copy()), dy @ w.T, rtol=1e-12)
    gradient = by_name(network, network.grad)
    np.testing.assert_allclose(gradient["W"], x.T @ dy / 2, rtol=1e-12)
    if bias:
        np.testing.assert_allclose(gradient["b"], dy.sum(axis=0), rtol=1e-12)


def test_ntp_starts_with_deviation_1():
    layers = (DenseSpec(units=200, parametrization="ntp"), ReluSpec())
    network = network_of(*layers, in_shape=(300,))
    assert by_name(network, network.theta)["W"].std() == pytest.approx(1, abs=0.02)


def test_a_start_that_was_asked_for_stays():
    asked = DenseSpec(units=2, parametrization="ntp", weight_initializer=HeNormalSpec())
    assert NetworkSpec(layers=(asked, TanhSpec())).resolve(1).layers[0] == asked


@each_form
@settings(max_examples=25, deadline=None, derandomize=True)
@given(count=st.integers(2, 60), features=st.integers(1, 9), seed=st.integers(0, 99))
def test_start_from_data_has_deviation_1(form, count, features, seed):
    x = rows(count, features, seed)
    network = network_of(
        DenseSpec(units=5, parametrization=form, start="data"), in_shape=(features,), x=x, seed=seed
    )
    z = weighted_sums(network, x)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-9)
    b = by_name(network, network.theta)["b"]
    assert (-b >= z.min(axis=0) - 1e-9).all()
    assert (-b <= z.max(axis=0) + 1e-9).all()
    np.testing.assert_allclose(network.forward(x), z + b, rtol=1e-9, atol=1e-9)


@each_form
def test_start_from_data_has_dirichlet_biases(form):
    """lambda ~ Dirichlet(1, 1, 1, 1, 1): -b has the mean of z, and E sum lambda^2 = 1/3 of its variance 1."""
    x = rows()
    network = network_of(DenseSpec(units=20_000, parametrization=form, start="data"), in_shape=(7,), x=x)
    distance = -by_name(network, network.theta)["b"] - weighted_sums(network, x).mean(axis=0)
    assert distance.mean() == pytest.approx(0, abs=0.02)
    assert distance.std() == pytest.approx(1 / sqrt(3), rel=0.03)


def test_start_from_data_goes_layer_by_layer():
    dense = DenseSpec(units=30, parametrization="ntp", start="data")
    layers = (ScalingSpec(), dense, TanhSpec(), dense, TanhSpec(), dense.model_copy(update={"units": None}))
    x = rows()
    network = network_of(*layers, in_shape=(7,), x=x)
    for layer in network.layers:
        x = layer.forward(x, train=False)
        if "W" in layer.param_shapes:
            np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-9)


@each_form
def test_constant_rows_keep_what_was_drawn(form):
    spec = DenseSpec(units=4, parametrization=form, start="data")
    drawn = network_of(spec, in_shape=(3,))
    for x in (np.full((6, 3), 2.5), np.full((1, 3), -1e4), np.zeros((6, 3))):
        network = network_of(spec, in_shape=(3,), x=x)
        np.testing.assert_array_equal(*(by_name(n, n.theta)["W"] for n in (network, drawn)))
        np.testing.assert_allclose(network.forward(x), 0, atol=1e-9)


def test_without_rows_the_start_is_drawn():
    one, other = (network_of(DenseSpec(units=4, start=start), in_shape=(3,)) for start in ("data", "drawn"))
    assert one.theta.tobytes() == other.theta.tobytes()


def test_without_bias_only_w_is_fitted():
    x = rows()
    network = network_of(DenseSpec(units=4, bias=False, start="data"), in_shape=(7,), x=x)
    np.testing.assert_allclose(network.forward(x).std(axis=0), 1, rtol=1e-9)


def test_start_from_data_in_both_precisions():
    spec = DenseSpec(units=4, parametrization="ntp", start="data", weight_initializer=NormalSpec(std=2.0))
    x = rows().astype(np.float32)
    double, single = (
        network_of(spec, in_shape=(7,), x=x.astype(dtype), dtype=dtype).theta
        for dtype in (np.float64, np.float32)
    )
    np.testing.assert_allclose(single, double, rtol=1e-4)
