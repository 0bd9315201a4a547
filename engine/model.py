"""A trained model: from a table to predictions, and to and from one file.

The file is safetensors (no pickle): tensors and, in the header's metadata, JSON.

    theta     float32 (parameters,)   NetworkSpec's layers in order
    state     float32 (states,)       what layers keep besides
    format    "backpropd-model-1"
    encoder   TableEncoder
    network   NetworkSpec, resolved
    link      "identity", "sigmoid", "softmax" or "exp"
    target    AnyTarget
    assurance Assurance, where there is any
    series    SeriesWindows, where rows are read as windows over time

It may also hold what the training made of its rows (`engine.row_losses`). Whoever saves a model may add further
entries about it under other keys.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from mmap import mmap
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Json, ValidationError

from engine import model_file
from engine.arrays import Array, Shape, size
from engine.encoding.table import TableEncoder
from engine.encoding.target import AnyTarget
from engine.forecasting.windows import SeriesWindows
from engine.losses import LARGEST_LOGARITHM
from engine.members import answers_fit
from engine.model_file import UnreadableModel
from engine.network import Network, NetworkSpec
from engine.predictor import Predictor
from engine.spec import InvalidSpec
from engine.summary import summarize
from engine.tasks import Link
from engine.trust.assurance import Assurance, kept_assurance

INFERENCE_BATCHES = (64, 32, 16, 8, 4, 2, 1)
"""Rows that may go through the network at a time; a model takes the first number that is fair.

The bits of a matrix product depend on its shape: every batch has the same number of rows, padded. They may
also depend on a row's place: BLAS kernels work on blocks of rows and treat those at the end differently
(OpenBLAS on AVX2: places 60 to 63 of 64). A batch is fair if all its places give the same bits.
"""
FEW = 8
"""Rows that few go through in: they take a fraction of the time, where their bits are those of the full batch."""
INFERENCE_BYTES = 64 * 2**20
"""Bytes that the buffers of such a batch may take; where one row needs more, rows go through one by one."""
PROBES = 8
"""Random rows that are sent through all places of a batch, to see whether it is fair."""


Outputs = NDArray[np.float64]

WEIGHTS = frozenset({"theta", "state"})
"""The tensors of a model's file that are its weights."""


OF_ROWS = "row_losses."
"""What the names of the tensors begin with that tell of the training's rows."""


class _Header(BaseModel):
    """The model's own entries of the metadata, whose values are text."""

    format: Literal["backpropd-model-1"]
    encoder: Json[TableEncoder]
    network: Json[NetworkSpec]
    link: Link
    target: Json[AnyTarget]
    assurance: Json[Assurance] = Assurance()
    series: Json[SeriesWindows] | None = None


class Model(Predictor):
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
        assurance: Assurance = Assurance(),  # noqa: B008 - it cannot change
    ) -> None:
        """Take `theta` and `state`, float32, for the resolved `network`: copies, unless nobody can write them.

        Raises `InvalidSpec` where the network does not take the encoder's width, and `UnreadableModel`
        where the parameters do not fit the network or its outputs do not fit the target.
        """
        self.encoder = encoder
        self.network = network
        self.link: Link = link
        self.target = target
        self.assurance = assurance
        _check_sizes(network, encoder.shape, target.outputs, theta, state)
        batches = _batches(network, encoder.shape)
        weights = _unchanging(theta), _unchanging(state)
        self._network = Network(
            network, encoder.shape, batch=batches[0], rng=np.random.default_rng(0), weights=weights
        )
        self._lock = Lock()
        batch, bits = next((batch, bits) for batch in batches if (bits := self._fair_bits(batch)) is not None)
        self._batch = np.zeros((batch, *encoder.shape), np.float32)
        self._few = FEW if batch > FEW and self._fair_bits(FEW) == bits else batch

    def _fair_bits(self, batch: int) -> bytes | None:
        """A hash of random rows' bits after each layer; None where a row has not the same bits at every place.

        Layer by layer, since a later one may hide it.
        """
        probes = np.random.default_rng(0).standard_normal((PROBES, 1, *self.encoder.shape), np.float32)
        found = blake2b()
        for probe in probes:
            x: Array = np.repeat(probe, batch, axis=0)
            for layer in self._network.layers:
                x = layer.forward(x, train=False)
                bits = x.view(np.uint32)
                if (bits != bits[0]).any():
                    return None
                found.update(bits[0])
        return found.digest()

    @property
    def theta(self) -> Array:
        """All parameters, (parameters,)."""
        return self._network.theta

    @property
    def state(self) -> Array:
        """What layers keep besides, (states,)."""
        return self._network.state

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that it holds."""
        kept = sum(tensor.nbytes for tensor in self.further.values())
        return model_bytes(self.network, self.encoder.shape) + kept

    def plain_answers_to(self, x: Array) -> NDArray[np.float64]:
        """Probabilities at temperature 1, or values, for encoded rows x (rows, width)."""
        if len(x) <= self._few:
            return self.target.answers(self._answered(x, self._few))
        outputs = np.empty((len(x), self.target.outputs), np.float64)
        batch = len(self._batch)
        for start in range(0, len(x), batch):
            rows = x[start : start + batch]
            outputs[start : start + len(rows)] = self._answered(rows, batch)
        return self.target.answers(outputs)

    def _answered(self, x: Array, batch: int) -> Outputs:
        """What the link makes of the outputs for at most `batch` rows, which go through in so many."""
        rows = len(x)
        with self._lock:
            padded = self._batch[:batch]
            padded[:rows] = x.reshape(-1, *self.encoder.shape)
            padded[rows:] = 0
            z = self._network.forward(padded)[:rows].astype(np.float64)
        answered = _LINKS[self.link](z)
        if answered.ndim > 2:
            answered = answered.mean(axis=1)  # of the members
        return answered

    def to_bytes(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The model's file. `metadata`: entries of the header besides the model's own."""
        own = {
            "format": "backpropd-model-1",
            "encoder": self.encoder.model_dump_json(),
            "network": self.network.model_dump_json(),
            "link": self.link,
            "target": self.target.model_dump_json(),
            **kept_assurance(self.assurance),
            **kept_windows(self.windows),
        }
        if taken := own.keys() & (metadata or {}):
            raise ValueError(f"the model's own metadata cannot be given: {', '.join(sorted(taken))}")
        tensors = {"theta": self.theta, "state": self.state, **self.further}
        return model_file.pack(tensors, {**own, **(metadata or {})})

    @classmethod
    def from_bytes(cls, data: bytes | mmap) -> "Model":
        """Read a model's file; of a mapped one the weights stay where they are.

        Raises `UnreadableModel` for anything that is none.
        """
        try:
            tensors, metadata = model_file.unpack(data)
            theta, state = _weights(tensors)
            header = _Header.model_validate(metadata)
            return (
                cls(
                    encoder=header.encoder,
                    network=header.network,
                    link=header.link,
                    target=header.target,
                    theta=theta,
                    state=state,
                    assurance=header.assurance,
                )
                .keeping({name: tensor for name, tensor in tensors.items() if name not in WEIGHTS})
                .reading(header.series)
            )
        except (ValidationError, InvalidSpec) as error:
            raise UnreadableModel(f"this file holds no usable model: {error}") from error

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model's file. Raises `UnreadableModel` for anything that is none."""
        return cls.from_bytes(path.read_bytes())


def kept_windows(windows: SeriesWindows | None) -> dict[str, str]:
    """The entry of a model's file; none where there are no windows."""
    return {} if windows is None else {"series": windows.model_dump_json()}


def model_bytes(network: NetworkSpec, shape: Shape) -> int:
    """Bytes of memory that a model with this resolved network holds, for encoded rows of this shape."""
    batch = _batches(network, shape)[0]
    return summarize(network, shape, batch=batch, slots=0).training_bytes


def _batches(network: NetworkSpec, shape: Shape) -> Sequence[int]:
    """The inference batches whose buffers `INFERENCE_BYTES` hold, and in any case that of one row."""
    a_row = 4 * sum(layer.buffer_values() for layer in network.build(shape))
    return [batch for batch in INFERENCE_BATCHES if batch == 1 or batch * a_row <= INFERENCE_BYTES]


def _check_sizes(network: NetworkSpec, shape: Shape, outputs: int, theta: Array, state: Array) -> None:
    """Compare before anything is allocated: a small file may describe a network of any size."""
    layers = network.build(shape)
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


def _weights(tensors: Mapping[str, NDArray[Any]]) -> tuple[Array, Array]:
    """Theta and state, if these and what is known of rows are all that there is."""
    theta, state = tensors.get("theta"), tensors.get("state")
    if any(name not in WEIGHTS and not name.startswith(OF_ROWS) for name in tensors):
        raise UnreadableModel(f"a model's tensors are theta and state, and those of {OF_ROWS}*")
    if theta is None or state is None or theta.dtype != np.float32 or state.dtype != np.float32:
        raise UnreadableModel("a model's tensors are theta and state in float32")
    return theta, state


def _unchanging(values: Array) -> Array:
    return values.copy() if values.flags.writeable else values


def _sigmoid(z: Outputs) -> Outputs:
    """1 / (1 + e^-z) = tanh(z/2)/2 + 1/2, which cannot overflow."""
    probabilities: Outputs = np.tanh(z / 2) / 2 + 0.5
    return probabilities


def _softmax(z: Outputs) -> Outputs:
    """e^z_k / sum_j e^z_j, from differences to the largest z, which cannot overflow."""
    # The methods `max` and `sum` do the same, a microsecond later each.
    powers = np.exp(z - np.maximum.reduce(z, axis=-1, keepdims=True))
    probabilities: Outputs = powers / np.add.reduce(powers, axis=-1, keepdims=True)
    return probabilities


def _exp(z: Outputs) -> Outputs:
    """e^z of z cut as the losses on logarithms cut it."""
    means: Outputs = np.exp(np.clip(z, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    return means


def _identity(z: Outputs) -> Outputs:
    return z


_LINKS: dict[Link, Callable[[Outputs], Outputs]] = {
    "identity": _identity,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "exp": _exp,
}
