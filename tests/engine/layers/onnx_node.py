"""One node of ONNX, computed by its reference evaluator or by onnxruntime: implementations that are not ours."""

import numpy as np
from onnx import ModelProto, helper
from onnx.reference import ReferenceEvaluator
from onnxruntime import InferenceSession

from engine.arrays import Array


def reference(
    op: str, inputs: dict[str, Array], outputs: int = 1, *, opset: int, **attributes: object
) -> list[Array]:
    """The outputs of the node as the reference evaluator computes them."""
    return ReferenceEvaluator(_model(op, inputs, outputs, opset, attributes)).run(None, inputs)


def runtime(
    op: str, inputs: dict[str, Array], outputs: int = 1, *, opset: int, **attributes: object
) -> list[Array]:
    """The outputs of the node as onnxruntime computes them."""
    model = _model(op, inputs, outputs, opset, attributes)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def _model(
    op: str, inputs: dict[str, Array], outputs: int, opset: int, attributes: dict[str, object]
) -> ModelProto:
    names = [f"Y{i}" for i in range(outputs)]
    types = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in inputs.items()}
    graph = helper.make_graph(
        [helper.make_node(op, list(inputs), names, **attributes)],
        op,
        [helper.make_tensor_value_info(name, types[name], array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info(name, next(iter(types.values())), None) for name in names],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def channels_first(x: Array) -> Array:
    """(rows, ..., channels) as ONNX has it: (rows, channels, ...)."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def channels_last(x: Array) -> Array:
    """(rows, channels, ...) as the engine has it: (rows, ..., channels)."""
    return np.moveaxis(x, 1, -1)
