"""A graph as an ONNX model. Imports onnx, the extra of that name."""

from collections.abc import Mapping

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    checker,
    helper,
    numpy_helper,
)

from engine import __version__
from engine.export.errors import NotExportable
from engine.export.graph import Graph, Node, Port

OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
ML_DOMAIN = "ai.onnx.ml"
ML_OPERATIONS = frozenset({"LabelEncoder"})
LARGEST = 2**31 - 2**20
"""Bytes that protobuf can hold, less what stands around the weights."""

TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


def to_bytes(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """The file; raises `NotExportable` where it would be larger than protobuf allows."""
    if sum(values.nbytes for values in graph.constants.values()) > LARGEST:
        raise NotExportable("an ONNX file holds at most 2 GiB, and the model's weights are more")
    initializers = [_tensor(name, values) for name, values in graph.constants.items()]
    model = helper.make_model(
        _graph(graph, "backpropd", initializers),
        producer_name="backpropd",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)],
    )
    helper.set_model_props(model, dict(metadata))
    checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _graph(graph: Graph, name: str, initializers: list[TensorProto]) -> GraphProto:
    return helper.make_graph(
        [_node(node) for node in graph.nodes],
        name,
        [_value(port) for port in graph.inputs],
        [_value(port) for port in graph.outputs],
        initializers,
    )


def _node(node: Node) -> NodeProto:
    domain = ML_DOMAIN if node.op in ML_OPERATIONS else None
    made = helper.make_node(node.op, list(node.inputs), list(node.outputs), domain=domain)
    made.attribute.extend(_attribute(name, value) for name, value in node.attributes.items())
    return made


def _attribute(name: str, value: object) -> AttributeProto:
    if isinstance(value, Graph):
        return helper.make_attribute(name, _graph(value, name, []))
    if name == "to":
        return helper.make_attribute(name, TYPES[str(value)])
    return helper.make_attribute(name, list(value) if isinstance(value, tuple) else value)


def _value(port: Port) -> ValueInfoProto:
    return helper.make_tensor_value_info(port.name, TYPES[port.dtype], list(port.shape))


def _tensor(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> TensorProto:
    if values.dtype.kind == "U":  # NumPy's own texts have one length
        values = values.astype(object)
    tensor: TensorProto = numpy_helper.from_array(values, name)
    return tensor
