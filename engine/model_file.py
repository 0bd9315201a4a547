"""The file of a model: safetensors (no pickle), with text about it in the header's metadata."""

import json
from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

HEADER_AT_MOST = 16 * 2**20
"""Bytes of JSON that a file may begin with."""

_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class UnreadableModel(ValueError):
    """A file that is no model, or whose parts do not belong together."""


def pack(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file: the header's length in 8 bytes, the header in JSON, the tensors.

    The library's own writer orders the metadata at random; equal models are to be equal files. Tensors of other
    types than float32, float64 and int64 are a `KeyError`.
    """
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    start = 0
    for name, values in tensors.items():
        stop = start + values.nbytes
        dtype = _NAMES[values.dtype.newbyteorder("<")]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    payload = [_bytes(values) for values in tensors.values()]
    return b"".join([len(text).to_bytes(8, "little"), text, *payload])


def _bytes(values: NDArray[Any]) -> memoryview:
    """The values as they lie in a file, without a copy where they lie so already."""
    flat = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return flat.reshape(-1).view(np.uint8).data


def mapped(path: Path) -> mmap:
    """The file's bytes, which all processes that map it share in memory. It must not change; it may be deleted."""
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def format_of(data: bytes | mmap) -> str | None:
    """What the file says that it is; None where it says nothing that can be read."""
    length = int.from_bytes(data[:8], "little")
    try:
        said = json.loads(data[8 : 8 + min(length, HEADER_AT_MOST)])["__metadata__"]["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return said if isinstance(said, str) else None


def unpack(data: bytes | mmap) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The tensors and the metadata; those of a mapped file are views of it, and cannot be written.

    The library checks that header and payload belong together; of a mapped file, which was checked when it was made
    or imported, NumPy does. Raises `UnreadableModel`.
    """
    length = int.from_bytes(data[:8], "little")
    if length > HEADER_AT_MOST:
        raise UnreadableModel(f"the header is longer than {HEADER_AT_MOST} bytes")
    try:
        tensors = load(data) if isinstance(data, bytes) else _views(data, length)
    except KeyError as error:  # how the library says it
        raise UnreadableModel(f"the file holds tensors of a dtype that is not known, {error}") from error
    except SafetensorError as error:
        raise UnreadableModel(f"this file holds no usable model: {error}") from error
    return tensors, dict(json.loads(data[8 : 8 + length]).get("__metadata__") or {})


def _views(data: mmap, length: int) -> dict[str, NDArray[Any]]:
    """The tensors where they lie."""
    header = json.loads(data[8 : 8 + length])
    views = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, stop = about["data_offsets"]
        dtype = _DTYPES[about["dtype"]]
        flat = np.frombuffer(data, dtype, (stop - start) // dtype.itemsize, 8 + length + start)
        views[name] = flat.reshape(about["shape"])
    return views
