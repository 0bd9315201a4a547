"""Every activation against its formula, written plainly for one number (softmax: for one row)."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from engine.arrays import Array
from engine.layers import LAYER_SPECS, LayerSpec
from engine.layers.activations.base import IdentitySpec, SigmoidSpec, StepSpec, TanhSpec
from engine.layers.activations.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.activations.learned import ParametricActivationSpec, PreluSpec
from engine.layers.activations.rectifiers import EluSpec, LeakyReluSpec, ReluSpec, SeluSpec
from engine.layers.activations.smooth_rectifiers import GeluSpec, MishSpec, SiluSpec, SoftplusSpec
from engine.layers.activations.softmax import LogSoftmaxSpec, SoftmaxSpec
from engine.layers.activations.softsign import SoftsignSpec
from engine.network import Network, NetworkSpec
from engine.spec import InvalidSpec


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def elu(z: float, alpha: float) -> float:
    return z if z > 0 else alpha * (math.exp(z) - 1)


def gelu(z: float) -> float:
    return 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def mish(z: float) -> float:
    return z * math.tanh(math.log1p(math.exp(z)))


def hard_sigmoid(z: float) -> float:
    return max(0.0, min(1.0, z / 6 + 0.5))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017

CASES: list[tuple[LayerSpec, Callable[[float], float]]] = [
    (IdentitySpec(), lambda z: z),
    (StepSpec(), lambda z: 1.0 if z >= 0 else 0.0),
    (SigmoidSpec(), sigmoid),
    (TanhSpec(), math.tanh),
    (ReluSpec(), lambda z: max(0.0, z)),
    (LeakyReluSpec(), lambda z: z if z > 0 else 0.01 * z),
    (LeakyReluSpec(slope=0.3), lambda z: z if z > 0 else 0.3 * z),
    (EluSpec(), lambda z: elu(z, 1.0)),
    (EluSpec(alpha=0.5), lambda z: elu(z, 0.5)),
    (SeluSpec(), lambda z: SELU_SCALE * elu(z, SELU_ALPHA)),
    (GeluSpec(), gelu),
    (SiluSpec(), lambda z: z * sigmoid(z)),
    (SoftplusSpec(), lambda z: math.log(1 + math.exp(z))),
    (MishSpec(), mish),
    (Relu6Spec(), lambda z: min(max(0.0, z), 6.0)),
    (HardSigmoidSpec(), hard_sigmoid),
    (HardSwishSpec(), lambda z: z * hard_sigmoid(z)),
    (SoftsignSpec(), lambda z: z / (1 + abs(z))),
    (PreluSpec(), lambda z: z if z > 0 else 0.25 * z),
    (PreluSpec(slope=0.5), lambda z: z if z > 0 else 0.5 * z),
    (ParametricActivationSpec(), lambda z: SELU_SCALE * elu(z, SELU_ALPHA)),
    (ParametricActivationSpec(activation="mish"), mish),
    (ParametricActivationSpec(activation="mish", alpha=0.25), lambda z: 0.75 * z + 0.25 * mish(z)),
]
POINTS = [-50.0, -20.0, -3.0, -1.0, -1e-3, -0.0, 0.0, 1e-3, 0.5, 1.0, 2.0, 20.0, 30.0, 39.9, 40.1, 50.0]


def network_of(spec: LayerSpec, width: int, dtype: type[np.floating] = np.float64) -> Network:
    rng = np.random.default_rng(0)
    network = Network(
        NetworkSpec(layers=(spec,)), (width,), batch=4, rng=rng, dtype=dtype, input_gradient=True
    )
    network.init(rng)
    return network


def apply(spec: LayerSpec, x: Array) -> Array:
    return network_of(spec, x.shape[1], x.dtype.type).forward(x)


def derivative(spec: LayerSpec, x: Array) -> Array:
    network = network_of(spec, x.shape[1], x.dtype.type)
    network.forward(x, train=True)
    return network.backward(np.ones_like(x))


def test_every_activation_has_a_case() -> None:
    activations = {spec for spec in LAYER_SPECS if spec.is_activation}
    assert {type(spec) for spec, _ in CASES} == activations - {SoftmaxSpec, LogSoftmaxSpec}


@pytest.mark.parametrize(("spec", "formula"), CASES, ids=[repr(spec) for spec, _ in CASES])
def test_formula(spec: LayerSpec, formula: Callable[[float], float]) -> None:
    expected = [[formula(z) for z in POINTS]]
    np.testing.assert_allclose(apply(spec, np.array([POINTS])), expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    ("spec", "z", "value"),
    [
        (SigmoidSpec(), math.log(3), 0.75),
        (TanhSpec(), math.log(3), 0.8),  # (3 - 1/3) / (3 + 1/3)
        (SoftplusSpec(), 0.0, math.log(2)),
        (SeluSpec(), -1e3, -1.7580993408473766),  # -scale alpha
        (SeluSpec(), 1.0, 1.0507009873554805),
        (SiluSpec(), -1.2784645427610738, -0.2784645427610738),  # its minimum: Elfwing et al. 2018
        (GeluSpec(), 1.0, 0.8411919906082768),
        (MishSpec(), math.log(math.sqrt(2) - 1), math.log(math.sqrt(2) - 1) / 3),  # tanh(log(sqrt 2)) = 1/3
        (HardSwishSpec(), -1.5, -0.375),  # its minimum
        (SoftsignSpec(), -3.0, -0.75),
    ],
)
def test_known_value(spec: LayerSpec, z: float, value: float) -> None:
    assert apply(spec, np.array([[z]]))[0, 0] == pytest.approx(value, rel=1e-14)


def test_selu_keeps_mean_0_and_variance_1() -> None:
    """The fixed point that the constants are made for, by quadrature over a standard normal input."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    a = apply(SeluSpec(), nodes[None])[0]
    weights = weights / math.sqrt(2 * math.pi)
    assert weights @ a == pytest.approx(0, abs=2e-3)
    assert weights @ a**2 == pytest.approx(1, abs=2e-3)


def test_gelu_is_close_to_its_definition() -> None:
    z = np.linspace(-6, 6, 1001)
    exact = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in z]
    assert np.abs(apply(GeluSpec(), z[None])[0] - exact).max() < 1e-3


def test_sigmoid_is_precise_in_its_tail() -> None:
    assert apply(SigmoidSpec(), np.array([[-80.0]], np.float32))[0, 0] == pytest.approx(math.exp(-80))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 9, 64])  # below and above the width of the processor's vectors
def test_relu_derivative_at_zeros(dtype: type[np.floating], width: int) -> None:
    """0 at +0, -0 and below; 1 at the smallest positive number and above."""
    smallest = np.finfo(dtype).smallest_subnormal
    rows = np.array([[0.0], [-0.0], [-smallest], [smallest]], dtype)
    dx = derivative(ReluSpec(), np.repeat(rows, width, axis=1))
    np.testing.assert_array_equal(dx, np.repeat([[0], [0], [0], [1]], width, axis=1))


def test_step_has_no_derivative() -> None:
    assert not derivative(StepSpec(), np.array([[-1.0, 0.0, 2.0]])).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("z", "value", "slope"),
    [(1e4, 1e4, 1.0), (40.0, 40.0, 1.0), (-80.0, -80 * math.exp(-80), -79 * math.exp(-80)), (-1e4, 0.0, 0.0)],
)
def test_mish_in_both_tails(z: float, value: float, slope: float, dtype: type[np.floating]) -> None:
    """z itself far above 0, z e^z far below."""
    x = np.array([[z]], dtype)
    assert apply(MishSpec(), x)[0, 0] == pytest.approx(value, rel=1e-5)
    assert derivative(MishSpec(), x)[0, 0] == pytest.approx(slope, rel=1e-5)


def test_hard_activations_are_flat_outside() -> None:
    z = np.array([[-1e4, -3.1, -2.9, 2.9, 3.1, 5.9, 6.1, 1e4]])
    np.testing.assert_array_equal(derivative(HardSigmoidSpec(), z) * 6, [[0, 0, 1, 1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(derivative(Relu6Spec(), z), [[0, 0, 0, 1, 1, 1, 0, 0]])


@pytest.mark.parametrize(
    "spec",
    [
        *(ReluSpec(), LeakyReluSpec(), StepSpec(), SigmoidSpec(), EluSpec(), MishSpec(), Relu6Spec()),
        *(HardSigmoidSpec(), HardSwishSpec(), PreluSpec(), ParametricActivationSpec()),
    ],
)
def test_nan_is_not_hidden(spec: LayerSpec) -> None:
    """Otherwise a training that has diverged would go on."""
    assert np.isnan(apply(spec, np.array([[np.nan, -np.nan]]))).all()


def test_softmax_formula() -> None:
    z = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    expected = [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in z]
    np.testing.assert_allclose(apply(SoftmaxSpec(), z), expected, rtol=1e-14)


def test_softmax_ignores_a_shift() -> None:
    z = np.random.default_rng(1).standard_normal((4, 6))
    a = apply(SoftmaxSpec(), z)
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(apply(SoftmaxSpec(), z + 1e4), a, rtol=1e-10)


def test_log_softmax_is_the_logarithm() -> None:
    z = np.random.default_rng(1).normal(0, 3, (4, 6))
    np.testing.assert_allclose(apply(LogSoftmaxSpec(), z), np.log(apply(SoftmaxSpec(), z)), rtol=1e-12)
    np.testing.assert_allclose(apply(LogSoftmaxSpec(), np.array([[1e4, 0.0]])), [[0, -1e4]])


@pytest.mark.parametrize("spec", [SoftmaxSpec(), LogSoftmaxSpec(), PreluSpec(), ParametricActivationSpec()])
def test_some_need_an_axis(spec: LayerSpec) -> None:
    with pytest.raises(InvalidSpec, match=f"{spec.kind} takes rows with at least one axis"):
        spec.build(())
