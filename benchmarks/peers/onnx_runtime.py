"""onnxruntime: prediction by a chain of Gemm and Relu."""

import os
from collections.abc import Callable

import numpy as np
import onnxruntime
from cases import Case, Floats
from onnx import TensorProto, helper, numpy_helper


def predictor(case: Case, x: Floats) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    nodes, weights = [], []
    name, width = "x", case.in_shape[0]
    for i, part in enumerate(case.parts):
        if part[0] == "dense":
            for key, shape in (("W", (width, part[1])), ("b", (part[1],))):
                values = rng.standard_normal(shape).astype(np.float32)
                weights.append(numpy_helper.from_array(values, f"{key}{i}"))
            nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], [f"y{i}"]))
            width = part[1]
        else:
            nodes.append(helper.make_node("Relu", [name], [f"y{i}"]))
        name = f"y{i}"
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, case.in_shape[0]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])],
        weights,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": x})[0]
