"""A trained model: from a table to predictions, and to and from one file.

The file is safetensors (no pickle): two tensors and, in the header's metadata, JSON.

    theta     float32 (parameters,)   NetworkSpec's layers in order
    state     float32 (states,)       what layers keep besides
    format    "backpropd-model-1"
    encoder   TableEncoder
    network   NetworkSpec, resolved
    link      "identity", "sigmoid", "softmax" or "exp"
    target    AnyTarget

Whoever saves a model may add further entries about it under other keys.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, Json, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from engine.arrays import Array, size
from engine.encoding.description import Feature
from engine.encoding.table import TableEncoder
from engine.encoding.target import AnyTarget, Prediction
from engine.losses import LARGEST_LOGARITHM
from engine.members import answers_fit
from engine.network import Network, NetworkSpec
from engine.spec import InvalidSpec
from engine.summary import summarize
from engine.tasks import Link

INFERENCE_BATCHES = (64, 32, 16, 8, 4, 2, 1)
"""Rows that may go through the network at a time; a model takes the first number that is fair.

The bits of a matrix product depend on its shape: every batch has the same number of rows, padded. They may
also depend on a row's place: BLAS kernels work on blocks of rows and treat those at the end differently
(OpenBLAS on AVX2: places 60 to 63 of 64). A batch is fair if all its places give the same bits.
"""
INFERENCE_BYTES = 64 * 2**20
"""Bytes that the buffers of such a batch may take; where one row needs more, rows go through one by one."""
PROBES = 8
"""Random rows that are sent through all places of a batch, to see whether it is fair."""

HEADER_AT_MOST = 16 * 2**20
"""Bytes of JSON that a file may begin with."""


class UnreadableModel(ValueError):
    """A file that is no model, or whose parts do not belong together."""


class _Header(BaseModel):
    """The model's own entries of the metadata, whose values are text."""

    format: Literal["backpropd-model-1"]
    encoder: Json[TableEncoder]
    network: Json[NetworkSpec]
    link: Link
    target: Json[AnyTarget]


class Model:
    """An encoder, a network with its parameters, and a target: what a training leaves behind.

    Any thread may use it: the network has one workspace, so a lock lets one batch through it at a time.
    A lock and not a workspace a thread: the calls of one batch take microseconds, memory stays for good.
    """

    def __init__(
        self,
        *,
        encoder: TableEncoder,
        network: NetworkSpec,
        link: Link,
        target: AnyTarget,
        theta: Array,
        state: Array,
    ) -> None:
        """Take copies of `theta` and `state`, float32, for the resolved `network`.

        Raises `InvalidSpec` where the network does not take the encoder's width, and `UnreadableModel`
        where the parameters do not fit the network or its outputs do not fit the target.
        """
        self.encoder = encoder
        self.network = network
        self.link: Link = link
        self.target = target
        _check_sizes(network, encoder.width, target.outputs, theta, state)
        batches = _batches(network, encoder.width)
        self._network = Network(network, (encoder.width,), batch=batches[0], rng=np.random.default_rng(0))
        self._network.theta[:] = theta
        self._network.state[:] = state
        self._lock = Lock()
        batch = next(batch for batch in batches if self._is_fair(batch))
        self._batch = np.zeros((batch, encoder.width), np.float32)

    def _is_fair(self, batch: int) -> bool:
        """Whether a row has the same bits at every place; layer by layer, since a later one may hide it."""
        probes = np.random.default_rng(0).standard_normal((PROBES, 1, self.encoder.width), np.float32)
        for probe in probes:
            x: Array = np.repeat(probe, batch, axis=0)
            for layer in self._network.layers:
                x = layer.forward(x, train=False)
                bits = x.view(np.uint32)
                if (bits != bits[0]).any():
                    return False
        return True

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns that it reads, in the order of raw `inputs`."""
        return self.encoder.features

    @property
    def theta(self) -> Array:
        """All parameters, (parameters,)."""
        return self._network.theta

    @property
    def state(self) -> Array:
        """What layers keep besides, (states,)."""
        return self._network.state

    def predict(self, frame: pl.DataFrame) -> list[Prediction]:
        """Each row's prediction, as the API sends it. Raises as `TableEncoder.encode` does."""
        x = self.encoder.encode(frame)
        return self.target.decode(self.answers_to(x), x)

    def answers(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Probabilities, or values in the target's unit, (rows, outputs). Raises as `encode` does."""
        return self.answers_to(self.encoder.encode(frame))

    def answers_to(self, x: Array) -> NDArray[np.float64]:
        """The same for rows that are encoded already, x (rows, width).

        A row's answer has the same bits whatever rows are beside it.
        """
        outputs = np.empty((len(x), self.target.outputs), np.float64)
        link = _LINKS[self.link]
        batch = len(self._batch)
        for start in range(0, len(x), batch):
            rows = x[start : start + batch]
            with self._lock:
                self._batch[: len(rows)] = rows
                self._batch[len(rows) :] = 0
                answered = link(self._network.forward(self._batch).astype(np.float64))
            if answered.ndim > 2:
                answered = answered.mean(axis=1)  # of the members
            outputs[start : start + len(rows)] = answered[: len(rows)]
        return self.target.answers(outputs)

    def to_bytes(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The model's file. `metadata`: entries of the header besides the model's own."""
        own = {
            "format": "backpropd-model-1",
            "encoder": self.encoder.model_dump_json(),
            "network": self.network.model_dump_json(),
            "link": self.link,
            "target": self.target.model_dump_json(),
        }
        if taken := own.keys() & (metadata or {}):
            raise ValueError(f"the model's own metadata cannot be given: {', '.join(sorted(taken))}")
        return _file({"theta": self.theta, "state": self.state}, {**own, **(metadata or {})})

    def save(self, path: Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write the model's file; whoever keeps it syncs it to disk."""
        path.write_bytes(self.to_bytes(metadata))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Model":
        """Read a model's file. Raises `UnreadableModel` for anything that is none."""
        try:
            theta, state = _tensors(data)
            header = _Header.model_validate(_metadata(data))
            return cls(
                encoder=header.encoder,
                network=header.network,
                link=header.link,
                target=header.target,
                theta=theta,
                state=state,
            )
        except (SafetensorError, ValidationError, InvalidSpec) as error:
            raise UnreadableModel(f"this file holds no usable model: {error}") from error

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model's file. Raises `UnreadableModel` for anything that is none."""
        return cls.from_bytes(path.read_bytes())


def model_bytes(network: NetworkSpec, width: int) -> int:
    """Bytes of memory that a model with this resolved network holds, for encoded rows of `width` numbers."""
    batch = _batches(network, width)[0]
    return summarize(network, (width,), batch=batch, slots=0).training_bytes


def _batches(network: NetworkSpec, width: int) -> Sequence[int]:
    """The inference batches whose buffers `INFERENCE_BYTES` hold, and in any case that of one row."""
    a_row = 4 * sum(layer.buffer_values() for layer in network.build((width,)))
    return [batch for batch in INFERENCE_BATCHES if batch == 1 or batch * a_row <= INFERENCE_BYTES]


def _check_sizes(network: NetworkSpec, width: int, outputs: int, theta: Array, state: Array) -> None:
    """Compare before anything is allocated: a small file may describe a network of any size."""
    layers = network.build((width,))
    if not answers_fit(layers[-1].out_shape, outputs):
        raise UnreadableModel(
            f"the network's outputs have shape {list(layers[-1].out_shape)}, the target needs [{outputs}]"
        )
    parameters = sum(size(shape) for layer in layers for shape in layer.param_shapes.values())
    states = sum(size(shape) for layer in layers for shape in layer.state_shapes.values())
    for name, array, expected in (("theta", theta, parameters), ("state", state, states)):
        if array.shape != (expected,):
            raise UnreadableModel(f"{name} has shape {list(array.shape)}, the network needs [{expected}]")
        if not np.isfinite(array).all():
            raise UnreadableModel(f"{name} holds values that are not finite")


def _file(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file: the header's length in 8 bytes, the header in JSON, the tensors.

    The library's own writer orders the metadata at random; equal models are to be equal files.
    """
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    start = 0
    for name, values in tensors.items():
        stop = start + 4 * values.size
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    payload = [values.astype("<f4", copy=False).data for values in tensors.values()]
    return b"".join([len(text).to_bytes(8, "little"), text, *payload])


def _metadata(data: bytes) -> object:
    """The metadata of a safetensors file: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]).get("__metadata__", {})


def _tensors(data: bytes) -> tuple[Array, Array]:
    """Theta and state; the library checks that header and payload belong together."""
    if int.from_bytes(data[:8], "little") > HEADER_AT_MOST:
        raise UnreadableModel(f"the header is longer than {HEADER_AT_MOST} bytes")
    try:
        tensors = load(data)
    except KeyError as error:  # how the library says it
        raise UnreadableModel(f"the file holds tensors of a dtype that is not known, {error}") from error
    if tensors.keys() != {"theta", "state"} or any(part.dtype != np.float32 for part in tensors.values()):
        raise UnreadableModel("a model's tensors are theta and state in float32")
    return tensors["theta"], tensors["state"]


def _sigmoid(z: Array) -> Array:
    """1 / (1 + e^-z) = tanh(z/2)/2 + 1/2, which cannot overflow."""
    probabilities: Array = np.tanh(z / 2) / 2 + 0.5
    return probabilities


def _softmax(z: Array) -> Array:
    """e^z_k / sum_j e^z_j, from differences to the largest z, which cannot overflow."""
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def _exp(z: Array) -> Array:
    """e^z of z cut as the losses on logarithms cut it."""
    means: Array = np.exp(np.clip(z, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    return means


def _identity(z: Array) -> Array:
    return z


_LINKS: dict[Link, Callable[[Array], Array]] = {
    "identity": _identity,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "exp": _exp,
}
