"""Members that share W are as many dense layers of W * outer(r, s); separate heads are as many dense layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import by_name, network_of, randomize

from engine.initializers import NormalSpec, OrthogonalSpec
from engine.layers.activations.base import TanhSpec
from engine.layers.dense import DenseSpec
from engine.layers.tabular.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.tabular.member_dense import MemberDenseSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec

shapes = given(
    members=st.integers(1, 5),
    inputs=st.integers(1, 6),
    units=st.integers(1, 5),
    rows=st.integers(1, 7),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)


def dense_step(weights, b, x, dy):
    """A dense layer by itself: y, dx, and the gradients of W and b."""
    network = network_of(DenseSpec(units=weights.shape[1]), in_shape=(weights.shape[0],))
    theta, gradient = (by_name(network, values) for values in (network.theta, network.grad))
    theta["W"][:], theta["b"][:] = weights, b
    y = network.forward(x).copy()
    dx = network.backward(dy.copy()).copy()
    return y, dx, gradient["W"], gradient["b"]


@settings(max_examples=40, deadline=None, derandomize=True)
@shapes
def test_members_are_dense_layers(members, inputs, units, rows, bias, seed):
    """Forward and backward, where each member has an x of its own and where all take one."""
    rng = np.random.default_rng(seed)
    spec = BatchEnsembleDenseSpec(units=units, members=members, bias=bias)
    for shared in (False, True):
        network = network_of(spec, in_shape=(inputs,) if shared else (members, inputs))
        theta = randomize(network, seed)
        W, r, s, b = theta["W"], theta["r"], theta["s"], theta.get("b", np.zeros((members, units)))
        x = rng.standard_normal((rows, inputs) if shared else (rows, members, inputs))
        dy = rng.standard_normal((rows, members, units))
        y = network.forward(x)
        dx = network.backward(dy.copy())
        gradient = by_name(network, network.grad)
        dW, expected_dx = np.zeros_like(W), np.zeros((rows, members, inputs))
        for k in range(members):
            x_k = np.ascontiguousarray(x if shared else x[:, k])
            outer = np.outer(r[k], s[k])
            y_k, expected_dx[:, k], dW_k, db_k = dense_step(W * outer, b[k], x_k, dy[:, k].copy())
            np.testing.assert_allclose(y[:, k], y_k, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(gradient["r"][k], (dW_k * W) @ s[k], rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(gradient["s"][k], r[k] @ (dW_k * W), rtol=1e-9, atol=1e-10)
            if bias:
                np.testing.assert_allclose(gradient["b"][k], db_k, rtol=1e-10, atol=1e-12)
            dW += dW_k * outer
        np.testing.assert_allclose(gradient["W"], dW, rtol=1e-9, atol=1e-10)
        if shared:
            expected_dx = expected_dx.sum(axis=1)
        np.testing.assert_allclose(dx, expected_dx, rtol=1e-9, atol=1e-10)


@settings(max_examples=40, deadline=None, derandomize=True)
@shapes
def test_heads_are_dense_layers(members, inputs, units, rows, bias, seed):
    rng = np.random.default_rng(seed)
    network = network_of(MemberDenseSpec(units=units, bias=bias), in_shape=(members, inputs))
    theta = randomize(network, seed)
    x, dy = rng.standard_normal((rows, members, inputs)), rng.standard_normal((rows, members, units))
    y, dx = network.forward(x), network.backward(dy.copy())
    gradient = by_name(network, network.grad)
    for k in range(members):
        b = theta["b"][k] if bias else np.zeros(units)
        y_k, dx_k, dW_k, db_k = dense_step(theta["W"][k], b, x[:, k].copy(), dy[:, k].copy())
        np.testing.assert_allclose(y[:, k], y_k, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(dx[:, k], dx_k, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(gradient["W"][k], dW_k, rtol=1e-10, atol=1e-12)
        if bias:
            np.testing.assert_allclose(gradient["b"][k], db_k, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("r_start", ["ones", "signs"])
def test_start(r_start):
    """Of the same W; members differ by the signs of their inputs, or not yet."""
    spec = BatchEnsembleDenseSpec(units=3, members=50, r_start=r_start, bias_initializer=NormalSpec(std=0.5))
    network = network_of(spec, in_shape=(40,))
    theta = by_name(network, network.theta)
    assert set(theta["r"].ravel()) == ({1.0} if r_start == "ones" else {-1.0, 1.0})
    if r_start == "signs":
        assert abs(theta["r"].mean()) < 0.1
    assert (theta["s"] == 1).all()
    assert theta["b"].std() == pytest.approx(0.5, rel=0.2)
    limit = np.sqrt(6 / 43)  # glorot_uniform, of one member's inputs and units
    assert np.abs(theta["W"]).max() == pytest.approx(limit, rel=0.1)


def test_each_head_has_a_start_of_its_own():
    network = network_of(MemberDenseSpec(units=4, weight_initializer=OrthogonalSpec()), in_shape=(3, 6))
    for W in by_name(network, network.theta)["W"]:
        np.testing.assert_allclose(W.T @ W, np.eye(4), atol=1e-12)


@pytest.mark.parametrize("last", [MemberDenseSpec(), BatchEnsembleDenseSpec(), DenseSpec()])
def test_the_target_decides_the_units_of_the_last(last):
    first = DenseSpec(units=4) if isinstance(last, DenseSpec) else BatchEnsembleDenseSpec(units=4, members=2)
    spec = NetworkSpec(layers=(first, TanhSpec(), last)).resolve(3)
    assert spec.build((5,))[-1].out_shape[-1] == 3


@pytest.mark.parametrize(
    ("spec", "shape", "path", "message"),
    [
        (BatchEnsembleDenseSpec(members=2), (4,), ("units",), "only the last dense"),
        (MemberDenseSpec(), (2, 4), ("units",), "only the last dense"),
        (BatchEnsembleDenseSpec(units=3), (4,), ("members",), "how many members"),
        (BatchEnsembleDenseSpec(units=3, members=2), (5, 4), ("members",), "5 members come in, not 2"),
        (BatchEnsembleDenseSpec(units=3, members=2), (5, 4, 3), (), "takes rows"),
        (BatchEnsembleDenseSpec(units=3, members=2), (), (), "takes rows"),
        (MemberDenseSpec(units=3), (4,), (), "put a batch_ensemble_dense before it"),
        (MemberDenseSpec(units=3), (2, 3, 4), (), r"takes rows \(members, features\)"),
    ],
)
def test_what_cannot_be_built(spec, shape, path, message):
    with pytest.raises(InvalidSpec, match=message) as error:
        spec.build(shape)
    assert error.value.path == path
