"""Activations and gated units against ONNX's reference, on rows, series and images; and what gated units are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import network_of, randomize
from onnx import NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from engine.arrays import Array, Shape
from engine.layers import LayerSpec
from engine.layers.activations.gated import GatedSpec, GegluSpec, GluSpec, RegluSpec, SwigluSpec
from engine.layers.activations.hard import HardSigmoidSpec, HardSwishSpec, Relu6Spec
from engine.layers.activations.learned import PreluSpec
from engine.layers.activations.rectifiers import EluSpec, SeluSpec
from engine.layers.activations.smooth_rectifiers import MishSpec
from engine.layers.activations.softmax import LogSoftmaxSpec
from engine.layers.activations.softsign import SoftsignSpec
from engine.spec import InvalidSpec

ROWS = 4
GATES: list[GatedSpec] = [GluSpec(), RegluSpec(), GegluSpec(), SwigluSpec()]


def gated(*gate: NodeProto) -> list[NodeProto]:
    """x = [a, b] -> a f(b), with f made of `gate` from "b" to "opened"."""
    split = helper.make_node("Split", ["x"], ["a", "b"], axis=-1, num_outputs=2)
    return [split, *gate, helper.make_node("Mul", ["a", "opened"], ["y"])]


def alone(kind: str, *more: str, **attributes: object) -> list[NodeProto]:
    return [helper.make_node(kind, ["x", *more], ["y"], **attributes)]


SIGMOID = helper.make_node("Sigmoid", ["b"], ["opened"])
SWISH = [helper.make_node("Sigmoid", ["b"], ["s"]), helper.make_node("Mul", ["b", "s"], ["opened"])]

CASES: list[tuple[LayerSpec, list[NodeProto]]] = [
    (MishSpec(), alone("Mish")),
    (HardSwishSpec(), alone("HardSwish")),
    (HardSigmoidSpec(), alone("HardSigmoid", alpha=1 / 6, beta=0.5)),
    (Relu6Spec(), alone("Clip", "zero", "six")),
    (SoftsignSpec(), alone("Softsign")),
    (EluSpec(alpha=0.7), alone("Elu", alpha=0.7)),
    (SeluSpec(), alone("Selu")),
    (LogSoftmaxSpec(), alone("LogSoftmax", axis=-1)),
    (PreluSpec(), alone("PRelu", "slope")),
    (GluSpec(), gated(SIGMOID)),
    (RegluSpec(), gated(helper.make_node("Relu", ["b"], ["opened"]))),
    (GegluSpec(), gated(helper.make_node("Gelu", ["b"], ["opened"], approximate="tanh"))),
    (SwigluSpec(), gated(*SWISH)),
]


def run(nodes: list[NodeProto], x: Array, slope: Array) -> Array:
    """What ONNX's reference evaluator makes of x, in float64."""
    constants = [
        helper.make_tensor("zero", TensorProto.DOUBLE, [], [0.0]),
        helper.make_tensor("six", TensorProto.DOUBLE, [], [6.0]),
        helper.make_tensor("slope", TensorProto.DOUBLE, slope.shape, slope),
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [constant for constant in constants if constant.name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    return y


@pytest.mark.parametrize(("spec", "nodes"), CASES, ids=lambda case: getattr(case, "kind", ""))
@pytest.mark.parametrize("shape", [(6,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_against_onnx(spec: LayerSpec, nodes: list[NodeProto], shape: Shape, scale: float) -> None:
    network = network_of(spec, in_shape=shape, batch=ROWS)
    slope = randomize(network).get("slope", np.zeros(shape[-1:]))
    x = np.random.default_rng(3).normal(0, scale, (ROWS, *shape))
    np.testing.assert_allclose(
        network.forward(x), run(nodes, x, slope), rtol=1e-6, atol=1e-7
    )  # 1 / 6 is a float32 there


@pytest.mark.parametrize("spec", GATES, ids=lambda spec: spec.kind)
@given(factor=st.floats(-100, 100))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_a_gated_unit_is_linear_in_what_it_gates(spec: LayerSpec, factor: float) -> None:
    network = network_of(spec, in_shape=(6,), batch=ROWS)
    x = np.random.default_rng(4).standard_normal((ROWS, 6))
    y = network.forward(x).copy()
    x[:, :3] *= factor
    np.testing.assert_allclose(network.forward(x), factor * y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec", GATES, ids=lambda spec: spec.kind)
@pytest.mark.parametrize("shape", [(), (3,), (4, 5)])
def test_a_gated_unit_needs_two_halves(spec: LayerSpec, shape: Shape) -> None:
    with pytest.raises(InvalidSpec, match=f"{spec.kind} halves the last axis, which must be even"):
        spec.build(shape)


def test_a_gated_unit_takes_any_even_number() -> None:
    """Shapes are whole numbers without bound; nothing is allocated."""
    assert GluSpec().build((10**40,)).out_shape == (10**40 // 2,)
