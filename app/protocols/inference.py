"""The Open Inference Protocol over models: one input tensor a feature, or one of numbers for all of them."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json
from sqlalchemy.exc import SQLAlchemyError

from app.dependencies import Context
from app.models import service as models
from app.predictions import service as predictions
from app.predictions.reading import Records
from app.predictions.schemas import MAX_ROWS
from app.problems import Invalid
from app.protocols.schemas import (
    VERSIONS_AT_MOST,
    InferAnswer,
    InferRequest,
    ModelMetadata,
    TensorMetadata,
)
from app.protocols.tensors import Datatype, InputTensor, answer, values_of
from engine.encoding import Feature, InvalidValue
from engine.ensemble import AnyModel

_DATATYPES: dict[str, Datatype] = {
    "numeric": "FP64",
    "boolean": "BOOL",
    "image": "UINT8",
    "array": "FP32",
}


@dataclass(frozen=True)
class TensorRecords(Records):
    """Rows that came as tensors."""

    places: dict[str, int]  # of the features' tensors

    def located(self, error: InvalidValue, features: tuple[Feature, ...]) -> Invalid:
        """The error, with a pointer to the tensor."""
        place = self.places.get(error.column or "", 0)
        return Invalid.at(f"/inputs/{place}", f"row {error.row}: {error.detail}")


def infer(context: Context, ref: str, name: str, request: InferRequest, behind: bytes) -> tuple[bytes, bytes]:
    """The answer's JSON and what stands behind it.

    Raises `NotFound`, and `Invalid` for tensors that do not fit.
    """
    _, model = predictions.loaded_by_reference(context, ref)
    answers = predictions.predict(context, ref, _records(request, behind, model.features))
    tensors, data = [], []
    everything = outputs_of(answers.predictions)
    for wanted, binary in _wanted(request, [output for output, _, _ in everything]):
        tensor, more = next(
            answer(output, datatype, values, binary=binary)
            for output, datatype, values in everything
            if output == wanted
        )
        tensors.append(tensor)
        data.append(more)
    told = InferAnswer(model_name=name, model_version=str(answers.version), id=request.id, outputs=tensors)
    return _json(told), b"".join(data)


def is_ready(context: Context) -> bool:
    """Whether models can be found."""
    try:
        context.database.check()
    except SQLAlchemyError:
        return False
    return True


def metadata(context: Context, ref: str) -> ModelMetadata:
    """What the model takes and gives; raises `NotFound`."""
    with context.database.read() as session:
        found = models.resolve(session, ref)
        page = models.listed(session, name=found.name, tag=None, limit=VERSIONS_AT_MOST, cursor=None)
    model = predictions.loaded(context, found)
    return ModelMetadata(
        name=found.name,
        versions=[str(item.version) for item in page.items],
        inputs=[
            TensorMetadata(
                name=feature.name,
                datatype=_DATATYPES.get(feature.type, "BYTES"),
                shape=[-1, *(feature.shape or ())],
            )
            for feature in model.features
        ],
        outputs=list(_metadata_of(model)),
    )


def _records(request: InferRequest, behind: bytes, features: tuple[Feature, ...]) -> TensorRecords:
    columns: dict[str, list[Any]] = {}
    places: dict[str, int] = {}
    start = 0
    by_name = {feature.name: feature for feature in features}
    for i, tensor in enumerate(request.inputs):
        place = f"/inputs/{i}"
        if not 1 <= tensor.shape[0] <= MAX_ROWS:
            raise Invalid.at(f"{place}/shape", f"1 to {MAX_ROWS:,} rows are allowed")
        if tensor.shape[0] != request.inputs[0].shape[0]:
            raise Invalid.at(f"{place}/shape", "all tensors must have the same number of rows")
        values, start = values_of(tensor, place, behind, start)
        for name, column in _columns(tensor, values, place, by_name, alone=len(request.inputs) == 1):
            if name in columns:
                raise Invalid.at(f"{place}/name", f"{name!r} comes twice")
            columns[name], places[name] = column, i
    if start != len(behind):
        raise Invalid(f"{len(behind) - start} bytes behind the JSON belong to no tensor")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return TensorRecords(rows, places)


def _columns(
    tensor: InputTensor, values: list[Any], place: str, features: dict[str, Feature], *, alone: bool
) -> Iterator[tuple[str, list[Any]]]:
    """The columns of a tensor: its feature's, or the features' where it is the only one and has another name."""
    rows, *axes = tensor.shape
    feature = features.get(tensor.name)
    if feature is None and alone and len(features) == 1:
        feature = next(iter(features.values()))
    if feature is not None:
        yield feature.name, _rows(values, rows, axes, feature, place)
    elif alone and axes == [len(features)]:
        for i, one in enumerate(features.values()):
            yield one.name, [_value(value) for value in values[i :: len(features)]]
    else:
        names = ", ".join(list(features)[:50])
        raise Invalid.at(
            f"{place}/name",
            f"there is no feature {tensor.name[:100]!r}, only {names}; a single tensor of any name has the shape "
            f"[rows, {len(features)}]",
        )


def _rows(values: list[Any], rows: int, axes: list[int], feature: Feature, place: str) -> list[Any]:
    """One value a row: a plain one, a file, or nested lists."""
    if prod(axes) == 1 and (feature.shape is None or prod(feature.shape) > 1):
        return [_value(value) for value in values]
    if feature.shape is None or prod(axes) != prod(feature.shape):
        expected = ["rows", *(feature.shape or ())]
        raise Invalid.at(f"{place}/shape", f"{feature.name} needs the shape {expected}")
    nested: list[Any] = np.array(values, object).reshape(rows, *feature.shape).tolist()
    return nested


def _value(value: object) -> object:
    """Text of bytes; the bytes of a file in base64, as a record has it."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _wanted(request: InferRequest, there: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The outputs to answer with, and whether as bytes."""
    by_default = request.parameters.get("binary_data_output") is True
    if request.outputs is None:
        yield from ((name, by_default) for name in there)
        return
    for i, output in enumerate(request.outputs):
        if output.name not in there:
            raise Invalid.at(
                f"/outputs/{i}/name", f"there is no output {output.name[:100]!r}, only {', '.join(there)}"
            )
        if output.parameters.get("classification"):
            raise Invalid.at(
                f"/outputs/{i}/parameters", "classification is not done here: ask for probabilities"
            )
        yield output.name, output.parameters.get("binary_data", by_default) is True


def outputs_of(answers: Sequence[dict[str, Any]]) -> list[tuple[str, Datatype, NDArray[Any]]]:
    """The predictions as tensors; a missing number is NaN, which JSON says as null."""
    found: list[tuple[str, Datatype, NDArray[Any]]] = []
    for name, first in answers[0].items():
        column = [prediction[name] for prediction in answers]
        match name:
            case "label":
                found.append((name, "BYTES", _objects([_text(label) for label in column])))
            case "labels":
                there = list(answers[0]["probabilities"])
                held = np.array([[label in labels for label in there] for labels in column])
                found.append((name, "BOOL", held))
            case "probabilities" | "values":
                found.append((name, "FP64", _floats([list(row.values()) for row in column])))
            case "value" | "reconstruction_error" | "anomaly_score" if first is not None:
                found.append((name, "FP64", _floats(column)))
            case "anomaly" if first is not None:
                found.append((name, "BOOL", np.array(column, bool)))
            case "interval":
                found.append((name, "FP64", _floats([[row["low"], row["high"]] for row in column])))
            case "warnings":
                found.append((name, "BYTES", _objects(["; ".join(row) for row in column])))
    return found


def _metadata_of(model: AnyModel) -> Iterator[TensorMetadata]:
    """The outputs of `outputs_of`, as the target of the model has them."""
    [example] = model.predict_encoded(np.zeros((1, model.encoder.width), np.float32))
    for name, datatype, values in outputs_of([{**example, "warnings": []}]):
        by_name = example.get("probabilities" if name == "labels" else name)
        parameters = {"classes": list(by_name)} if isinstance(by_name, dict) and values.ndim == 2 else None
        yield TensorMetadata(
            name=name, datatype=datatype, shape=[-1, *values.shape[1:]], parameters=parameters
        )


def _text(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _objects(values: list[str]) -> NDArray[Any]:
    return np.array(values, object)


def _floats(values: list[Any]) -> NDArray[Any]:
    return np.array(values, np.float64)  # which makes NaN of None


def _json(told: InferAnswer) -> bytes:
    return to_json(told, exclude_none=True, inf_nan_mode="null")
