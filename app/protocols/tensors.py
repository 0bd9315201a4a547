"""Tensors of the Open Inference Protocol, as JSON and as bytes.

Bytes are little-endian, row by row; those of a BYTES tensor are elements of any length, each behind its length as
uint32. Source: the protocol's REST form and its binary tensor data extension, https://kserve.github.io/website.
"""

import struct
from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from app.problems import Invalid

Datatype = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
]
DTYPES: dict[str, str] = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_LENGTH = struct.Struct("<I")
MOST_AXES = 8


class InputTensor(BaseModel):
    """A tensor of a request. Its values stand in `data`, or behind the JSON as `binary_data_size` bytes."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(max_length=1000)
    shape: Annotated[list[NonNegativeInt], Field(min_length=1, max_length=MOST_AXES)]
    datatype: Datatype
    parameters: dict[str, Any] = {}
    data: list[Any] | None = Field(None, description="The values, flat or in nested lists.")


def values_of(tensor: InputTensor, place: str, behind: bytes, start: int) -> tuple[list[Any], int]:
    """The values, flat, and where the next tensor's bytes begin in what stands behind the JSON.

    `place`: the tensor's JSON pointer. Raises `Invalid` where they are not what shape and datatype say.
    """
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if tensor.data is None:
            raise Invalid.at(place, "a tensor needs data, or a parameter binary_data_size and its bytes")
        return _from_json(tensor, place), start
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(behind) - start:
        raise Invalid.at(
            f"{place}/parameters/binary_data_size", "there are not so many bytes behind the JSON"
        )
    return _from_bytes(tensor, place, behind[start : start + size]), start + size


def _from_json(tensor: InputTensor, place: str) -> list[Any]:
    values = _flat(tensor.data or [])
    if len(values) != prod(tensor.shape):
        raise Invalid.at(
            place, f"the shape {tensor.shape} means {prod(tensor.shape)} values, data has {len(values)}"
        )
    return values


def _flat(data: Sequence[Any]) -> list[Any]:
    """Nesting is bounded where JSON is parsed."""
    values: list[Any] = []
    for value in data:
        if isinstance(value, list):
            values += _flat(value)
        else:
            values.append(value)
    return values


def _from_bytes(tensor: InputTensor, place: str, data: bytes) -> list[Any]:
    if tensor.datatype == "BYTES":
        values = _texts(data, place)
        if len(values) != prod(tensor.shape):
            raise Invalid.at(
                place, f"the shape {tensor.shape} means {prod(tensor.shape)} values, {len(values)} came"
            )
        return values
    dtype = np.dtype(DTYPES[tensor.datatype])
    if len(data) != prod(tensor.shape) * dtype.itemsize:
        raise Invalid.at(
            place,
            f"{tensor.datatype} of shape {tensor.shape} are {prod(tensor.shape) * dtype.itemsize} bytes, "
            f"{len(data)} came",
        )
    found: list[Any] = np.frombuffer(data, dtype).tolist()
    return found


def _texts(data: bytes, place: str) -> list[Any]:
    values: list[Any] = []
    start = 0
    while start < len(data):
        begin = start + _LENGTH.size
        length = _LENGTH.unpack(data[start:begin])[0] if begin <= len(data) else len(data)
        start = begin + length
        if start > len(data):
            raise Invalid.at(place, "its last element ends too early")
        values.append(data[begin:start])
    return values


class Answer(BaseModel):
    """A tensor of an answer."""

    name: str
    shape: list[int]
    datatype: Datatype
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


def answer(name: str, datatype: Datatype, values: NDArray[Any], *, binary: bool) -> tuple[Answer, bytes]:
    """A tensor of an answer, and its bytes, which are empty where JSON holds its values."""
    tensor = Answer(name=name, shape=list(values.shape), datatype=datatype)
    if not binary:
        tensor.data = values.reshape(-1).tolist()
        return tensor, b""
    if datatype == "BYTES":
        encoded = [str(value).encode() for value in values.reshape(-1)]
        data = b"".join(_LENGTH.pack(len(text)) + text for text in encoded)
    else:
        data = np.ascontiguousarray(values, DTYPES[datatype]).tobytes()
    tensor.parameters = {"binary_data_size": len(data)}
    return tensor, data
