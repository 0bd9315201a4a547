"""A model as ONNX: columns of a table -> labels, probabilities, values; or encoded rows -> the same.

Outputs: classes `label` and `probabilities` (one a class, in the order of the metadata's `classes`); several labels
`labels` (booleans) and `probabilities`; numbers `values`; an autoencoder `reconstruction` and `reconstruction_error`.
"""

import json
from dataclasses import dataclass

import numpy as np

from engine.encoding.target import AnyTarget, ClassTarget, MultilabelTarget, ReconstructionTarget
from engine.ensemble import AnyModel
from engine.export.answers import double
from engine.export.encoder import add_encoder
from engine.export.errors import NotExportable
from engine.export.graph import Graph
from engine.export.programs import add_model
from engine.export.protobuf import to_bytes


@dataclass(frozen=True)
class OnnxModel:
    """The file, and why the encoder is not in it, if it is not."""

    data: bytes
    encoder_left_out: str | None


def export_onnx(model: AnyModel, about: dict[str, str] | None = None) -> OnnxModel:
    """Write the model as ONNX; `about`: further metadata. Raises `NotExportable`."""
    g, left_out = Graph(), None
    inputs: dict[str, str] = {}
    try:
        x, inputs = add_encoder(g, model.encoder)
    except NotExportable as error:
        left_out = f"{error}: the input x is the encoded row"
        g = Graph()
        x = g.input("x", "float32", ("rows", model.encoder.width))
    outputs = _add_outputs(g, model.target, add_model(g, model, x), x)
    metadata = {
        **(about or {}),
        "backpropd.task": model.target.kind,
        "backpropd.target": model.target.model_dump_json(),
        "backpropd.features": json.dumps([feature.model_dump(mode="json") for feature in model.features]),
        "backpropd.inputs": json.dumps(inputs or {"x": "x"}),
        "backpropd.outputs": json.dumps(outputs),
        "backpropd.encoder": left_out or "included",
    }
    return OnnxModel(to_bytes(g, metadata), left_out)


def _add_outputs(g: Graph, target: AnyTarget, answers: str, x: str) -> dict[str, str]:
    """Name what comes out; what each output is called, where a column has its name already."""
    many = target.outputs
    if isinstance(target, ClassTarget):
        probabilities = answers
        if target.kind == "binary":
            probabilities = g.add("Concat", g.add("Sub", double(1), answers), answers, axis=1)
        label = g.add("Gather", _labels(target), _winner(g, target, probabilities), axis=0)
        kind = {bool: "bool", int: "int64", str: "string"}[type(target.classes[0])]
        return {
            "label": g.output("label", label, kind, ("rows",)),
            "probabilities": _floats(g, "probabilities", probabilities, len(target.classes)),
        }
    if isinstance(target, MultilabelTarget):
        holds = g.add("Greater", answers, double(0.5))
        return {
            "labels": g.output("labels", holds, "bool", ("rows", many)),
            "probabilities": _floats(g, "probabilities", answers, many),
        }
    if isinstance(target, ReconstructionTarget):
        difference = g.add("Sub", answers, g.add("Cast", x, to="float64"))
        error = g.add("ReduceMean", g.add("Mul", difference, difference), g.sizes(1), keepdims=0)
        return {
            "reconstruction": _floats(g, "reconstruction", answers, many),
            "reconstruction_error": g.output("reconstruction_error", error, "float64", ("rows",)),
        }
    return {"values": g.output("values", answers, "float64", ("rows", many))}


def _winner(g: Graph, target: ClassTarget, probabilities: str) -> str:
    """The most probable class, the first of equals; of ordered classes the median."""
    if target.kind != "ordinal":
        return g.add("ArgMax", probabilities, axis=1, keepdims=0, select_last_index=0)
    classes = len(target.classes)
    up_to = g.add("MatMul", probabilities, np.triu(np.ones((classes, classes))))
    below = g.add("Less", g.part(up_to, 0, classes - 1), double(0.5))
    count = g.add("ReduceSum", g.add("Cast", below, to="float64"), g.sizes(1), keepdims=0)
    return g.add("Cast", count, to="int64")


def _labels(target: ClassTarget) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return np.array(target.classes)


def _floats(g: Graph, name: str, values: str, many: int) -> str:
    return g.output(name, g.add("Cast", values, to="float32"), "float32", ("rows", many))
