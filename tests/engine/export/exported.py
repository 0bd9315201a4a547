"""Graphs carried out: by onnxruntime, and by the operations of the NumPy predictor."""

import json

import onnxruntime

from engine.export.graph import Graph
from engine.export.program import as_json
from engine.export.protobuf import to_bytes
from engine.export.standalone.operations import run

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = 1
OPTIONS.log_severity_level = 3


def by_onnxruntime(data: bytes, **inputs):
    session = onnxruntime.InferenceSession(data, OPTIONS, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True))


def both(graph: Graph, x):
    """The one output of a graph with the input "x", as each of the two computes it."""
    [onnx] = by_onnxruntime(to_bytes(graph, {}), x=x).values()
    [numpy] = run(json.loads(json.dumps(as_json(graph))), {**graph.constants, "x": x})
    return onnx, numpy
