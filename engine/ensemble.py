"""Several networks that answer together: one encoder, one target, and the mean of the networks' answers.

The file is that of a model (`engine.model`) with one more axis, and another format:

    theta     float32 (networks, parameters)
    state     float32 (networks, states)
    format    "backpropd-ensemble-1"
    rest      as in a model's file

It may also hold the answers to the rows of the training, each by networks that did not train on it
(`engine.folds.out_of_fold`).

Source: Breiman 1996, Bagging predictors.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from mmap import mmap
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Json, ValidationError

from engine import model_file
from engine.arrays import Array
from engine.encoding.table import TableEncoder
from engine.encoding.target import AnyTarget
from engine.forecasting.windows import SeriesWindows
from engine.model import WEIGHTS, Model, kept_windows
from engine.model_file import UnreadableModel
from engine.network import NetworkSpec
from engine.predictor import Predictor
from engine.spec import InvalidSpec
from engine.tasks import Link
from engine.trust.assurance import Assurance, kept_assurance

FORMAT = "backpropd-ensemble-1"


class _Header(BaseModel):
    """The ensemble's own entries of the metadata, whose values are text."""

    format: Literal["backpropd-ensemble-1"]
    encoder: Json[TableEncoder]
    network: Json[NetworkSpec]
    link: Link
    target: Json[AnyTarget]
    assurance: Json[Assurance] = Assurance()
    series: Json[SeriesWindows] | None = None


class Ensemble(Predictor):
    """Networks of one shape, each with its own weights. Any thread may use it."""

    members: tuple[Model, ...]

    def __init__(
        self,
        *,
        encoder: TableEncoder,
        network: NetworkSpec,
        link: Link,
        target: AnyTarget,
        weights: Sequence[tuple[Array, Array]],
        further: Mapping[str, NDArray[Any]] | None = None,
        assurance: Assurance = Assurance(),  # noqa: B008 - it cannot change
    ) -> None:
        """Take the `weights`, theta and state of each network, and raise, as `Model` does.

        `further`: tensors that its file keeps besides.
        """
        if not weights:
            raise UnreadableModel("an ensemble needs a network")
        self.encoder, self.network, self.link, self.target = encoder, network, link, target
        self.further = dict(sorted((further or {}).items()))
        self.assurance = assurance
        self.members = tuple(
            Model(
                encoder=encoder,
                network=network,
                link=link,
                target=target,
                theta=theta,
                state=state,
            )
            for theta, state in weights
        )

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that it holds."""
        kept = sum(tensor.nbytes for tensor in self.further.values())
        return sum(member.memory_bytes for member in self.members) + kept

    def plain_answers_to(self, x: Array) -> NDArray[np.float64]:
        """The mean of the networks' answers to x (rows, width); the same bits whatever rows are beside a row.

        Added one after the other: NumPy's own sum takes another order for a single row.
        """
        answers = (member.plain_answers_to(x) for member in self.members)
        mean: NDArray[np.float64] = reduce(np.add, answers) / len(self.members)
        return mean

    def to_bytes(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """Its file. `metadata`: entries of the header besides its own."""
        own = {
            "format": FORMAT,
            "encoder": self.encoder.model_dump_json(),
            "network": self.network.model_dump_json(),
            "link": self.link,
            "target": self.target.model_dump_json(),
            **kept_assurance(self.assurance),
            **kept_windows(self.windows),
        }
        if taken := own.keys() & (metadata or {}):
            raise ValueError(f"the ensemble's own metadata cannot be given: {', '.join(sorted(taken))}")
        theta = np.stack([member.theta for member in self.members])
        state = np.stack([member.state for member in self.members])
        return model_file.pack({"theta": theta, "state": state, **self.further}, {**own, **(metadata or {})})

    @classmethod
    def from_bytes(cls, data: bytes | mmap) -> "Ensemble":
        """Read an ensemble's file, as `Model.from_bytes` does."""
        try:
            tensors, metadata = model_file.unpack(data)
            header = _Header.model_validate(metadata)
            return cls(
                encoder=header.encoder,
                network=header.network,
                link=header.link,
                target=header.target,
                weights=_weights(tensors),
                further={name: tensor for name, tensor in tensors.items() if name not in WEIGHTS},
                assurance=header.assurance,
            ).reading(header.series)
        except (ValidationError, InvalidSpec) as error:
            raise UnreadableModel(f"this file holds no usable ensemble: {error}") from error


AnyModel = Model | Ensemble


def load_model(data: bytes | mmap) -> AnyModel:
    """Read the file of a model or of an ensemble. Raises `UnreadableModel` for anything that is neither."""
    kind = Ensemble if model_file.format_of(data) == FORMAT else Model
    return kind.from_bytes(data)


def load_model_file(path: Path) -> AnyModel:
    """The same for a path."""
    return load_model(path.read_bytes())


def _weights(tensors: Mapping[str, NDArray[Any]]) -> list[tuple[Array, Array]]:
    """Theta and state of each network."""
    pair = [tensors.get("theta"), tensors.get("state")]
    for tensor in pair:
        if tensor is None or tensor.dtype != np.float32 or tensor.ndim != 2:
            raise UnreadableModel("an ensemble's tensors are theta and state in float32, a row a network")
    theta, state = (tensor for tensor in pair if tensor is not None)
    if len(theta) != len(state):
        raise UnreadableModel(f"there are {len(theta)} rows of theta, but {len(state)} of state")
    return list(zip(theta, state, strict=True))
