"""All that a training remembers, so that it goes on bit by bit as if it had never stopped; to and from a file.

The file is safetensors (no pickle). Its tensors are the arrays, and after them one more, `sha256`: the
SHA-256 of every byte before it. The header's metadata has the caller's entries and, under `facts`, the rest
in JSON.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from engine.arrays import Array

FORMAT = "backpropd-checkpoint-1"
DIGEST = "sha256"
DIGEST_BYTES = 32
CHUNK = 2**20
"""Bytes that are hashed and written at a time, while the processor's cache still has them."""

_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class CorruptCheckpoint(ValueError):
    """A file that is no whole checkpoint: torn, cut off, or with a bit that is not as it was written."""


class CheckpointMismatch(ValueError):
    """A whole checkpoint that belongs to another training."""


@dataclass(frozen=True)
class Checkpoint:
    """What a training, or a part of one, remembers between two batches.

    The arrays are the training's own memory, not copies: they hold until it goes on. Whoever wants them for longer
    takes a `copy`.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)  # JSON, whose numbers come back bit by bit

    @classmethod
    def of(cls, facts: Mapping[str, Any] | None = None, **parts: "Checkpoint | None") -> Self:
        """Several as one, each under its name; a part that is None is left out."""
        there = {name: part for name, part in parts.items() if part is not None}
        return cls(
            {f"{name}.{key}": array for name, part in there.items() for key, array in part.arrays.items()},
            {**(facts or {}), **{name: part.facts for name, part in there.items()}},
        )

    def joined(self, **parts: "Checkpoint") -> "Checkpoint":
        """The same with further parts, each under its name."""
        more = Checkpoint.of({}, **parts)
        return Checkpoint({**self.arrays, **more.arrays}, {**self.facts, **more.facts})

    def part(self, name: str) -> "Checkpoint":
        """What `of` was given under this name; raises `CheckpointMismatch` if that was nothing."""
        if name not in self.facts:
            raise CheckpointMismatch(f"the checkpoint has no part {name!r}")
        prefix = f"{name}."
        mine = {
            key.removeprefix(prefix): array for key, array in self.arrays.items() if key.startswith(prefix)
        }
        return Checkpoint(mine, self.facts[name])

    def fill(self, **targets: Array) -> None:
        """Copy the arrays of these names into `targets`; raises `CheckpointMismatch` where they do not fit."""
        for name, target in targets.items():
            array = self.arrays.get(name)
            if array is None:
                raise CheckpointMismatch(f"the checkpoint has no array {name!r}")
            if (array.shape, array.dtype) != (target.shape, target.dtype):
                raise CheckpointMismatch(
                    f"{name!r} is {array.dtype} of shape {list(array.shape)} in the checkpoint, "
                    f"but {target.dtype} of shape {list(target.shape)} here"
                )
            np.copyto(target, array)

    def copy(self) -> "Checkpoint":
        """One with arrays of its own, which hold for good."""
        return Checkpoint({name: array.copy() for name, array in self.arrays.items()}, self.facts)


def save(path: Path, checkpoint: Checkpoint, metadata: Mapping[str, str] | None = None) -> str:
    """Write `checkpoint` durably to `path`, whole or not at all; returns the SHA-256 of the file.

    `metadata`: what the caller wants to read again. It is written to `<path>.partial`, synced, renamed, and
    the folder is synced. An `OSError`, such as one of a full disk, comes through once neither file is left: a sync
    that failed is never tried again, since the kernel may have dropped what it could not write.
    """
    partial = path.with_name(f"{path.name}.partial")
    written = partial
    try:
        with partial.open("wb") as file:
            digest = hashlib.sha256()
            for chunk in _chunks(checkpoint, metadata or {}):
                digest.update(chunk)
                file.write(chunk)
            check = digest.digest()
            digest.update(check)
            file.write(check)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        written = path
        _sync_folder(path.parent)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def load(path: Path) -> tuple[Checkpoint, dict[str, str]]:
    """The checkpoint in a file and its metadata; the arrays are the mapped file itself, read-only.

    Nothing is read before the checksum holds. Raises `CorruptCheckpoint` for a file that is not, bit by bit, what
    `save` wrote, and `OSError` where there is none to read.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size <= 8 + DIGEST_BYTES:
            raise CorruptCheckpoint(f"{path.name} is too short for a checkpoint")
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if hashlib.sha256(data[:-DIGEST_BYTES]).digest() != data[-DIGEST_BYTES:]:
        raise CorruptCheckpoint(f"{path.name} is torn: its checksum does not hold")
    try:
        return _parsed(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptCheckpoint(f"{path.name} holds no checkpoint: {error!r}") from error


def _parsed(data: memoryview) -> tuple[Checkpoint, dict[str, str]]:
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(bytes(data[8:start]))
    metadata = header.pop("__metadata__")
    if metadata.pop("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    del header[DIGEST]
    arrays = {}
    for name, tensor in header.items():
        first, stop = tensor["data_offsets"]
        flat = np.frombuffer(data[start + first : start + stop], _DTYPES[tensor["dtype"]])
        arrays[name] = flat.reshape(tensor["shape"])
    return Checkpoint(arrays, json.loads(metadata.pop("facts"))), metadata


def _chunks(checkpoint: Checkpoint, metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of the file but for those of the checksum; no array is copied."""
    if taken := metadata.keys() & {"format", "facts"}:
        raise ValueError(f"the checkpoint's own metadata cannot be given: {', '.join(sorted(taken))}")
    # The widest numbers first: each then lies where the processor likes it.
    arrays = sorted(checkpoint.arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))
    facts = json.dumps(checkpoint.facts, allow_nan=False)
    header: dict[str, object] = {
        "__metadata__": {"format": FORMAT, "facts": facts, **dict(sorted(metadata.items()))}
    }
    start = 0
    for name, array in arrays:
        stop = start + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, stop],
        }
        start = stop
    header[DIGEST] = {
        "dtype": "U8",
        "shape": [DIGEST_BYTES],
        "data_offsets": [start, start + DIGEST_BYTES],
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, array in arrays:
        flat = memoryview(array.reshape(-1).view(np.uint8).data)
        for i in range(0, len(flat), CHUNK):
            yield flat[i : i + CHUNK]


def _sync_folder(folder: Path) -> None:
    """Have the disk keep the folder's names."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
