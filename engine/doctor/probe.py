"""A look at the network itself: a few rows through it in evaluation mode, and the lengths of its gradients.

It changes nothing that training reads: parameters and state stay, no random number is drawn, and what the layers'
buffers hold is overwritten by the next forward pass in any case. The gradients are those of the last batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array
from engine.layers import Layer, LayerSpec
from engine.layers.combinators import Combinator, CombinatorSpec, Sequential
from engine.network import Network, Segment

RECTIFIERS = frozenset({"relu", "relu6"})
LIMITS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_sigmoid": (0.0, 1.0)}
NEAR_LIMIT = 0.01  # of the way from one limit to the other
DEEPEST = 3  # levels of layers within layers that are looked into: each costs one more pass
SAMPLED = 65_536  # weights that steps are measured on

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Units:
    """What the units of an activation did on all the rows."""

    place: str  # JSON pointer to the layer in the request
    kind: str
    count: int
    share: float  # of units that are 0 for all rows, or of outputs at a limit


@dataclass(frozen=True)
class Reading:
    """One look."""

    epoch: int
    units: tuple[Units, ...]
    weights: tuple[float, ...]  # lengths, a weight matrix each, first layer to last
    gradients: tuple[float, ...]  # of the same, by the last batch
    gradient: float  # length over all parameters
    theta: float  # length over all parameters

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The reading whose `asdict` these facts are."""
        units = tuple(Units(**one) for one in facts["units"])
        lengths = {name: tuple(facts[name]) for name in ("weights", "gradients")}
        return cls(**{**facts, **lengths, "units": units})


def read(network: Network, rows: Array, epoch: int) -> Reading:
    """Look at the network after an epoch."""
    matrices = [segment for segment in network.segments if _is_matrix(segment)]
    return Reading(
        epoch=epoch,
        units=tuple(_activity(network, rows)),
        weights=tuple(_length(network.theta[segment.slice]) for segment in matrices),
        gradients=tuple(_length(network.grad[segment.slice]) for segment in matrices),
        gradient=_length(network.grad),
        theta=_length(network.theta),
    )


def sample_of(theta: Array) -> Array:
    """A copy of some of the parameters, evenly spread."""
    return theta[:: -(-theta.size // SAMPLED)].copy()


def update_ratio(before: Array, after: Array, steps: int) -> float:
    """The length of a step by the length of the weights, on samples that are `steps` apart."""
    length = _length(before)
    return _length(after - before) / (steps * length) if steps and length else 0.0


def _is_matrix(segment: Segment) -> bool:
    return segment.decay and len(segment.shape) > 1 and segment.rate > 0


def _length(values: Array) -> float:
    return sqrt(float(np.dot(values, values)))


def _activity(network: Network, rows: Array) -> Iterator[Units]:
    """Each rectifier's and each S-curve's units, over all rows; the rows go through in the network's batches."""
    watched = [
        _Watched(*found) for found in _activations(network.spec.layers, network.layers, "/network/layers", 0)
    ]
    if not watched:
        return
    by_layer = {id(one.layer): one for one in watched}
    for start in range(0, len(rows), network.batch):
        _pass(network.layers, rows[start : start + network.batch], by_layer, 0)
    for one in watched:
        yield one.units()


def _activations(
    specs: Sequence[LayerSpec], layers: Sequence[Layer], place: str, depth: int
) -> Iterator[tuple[Layer, str, str]]:
    """Every activation that is watched: the layer, its kind and its place; not an S-curve that makes the answers."""
    for i, (spec, layer) in enumerate(zip(specs, layers, strict=True)):
        here = f"{place}/{i}"
        if isinstance(spec, CombinatorSpec) and isinstance(layer, Combinator) and depth < DEEPEST:
            if isinstance(layer, Sequential):
                yield from _activations(spec.chains[0], layer.layers, f"{here}/layers", depth + 1)
                continue
            for name, chain, inner in _named_chains(spec, layer):
                yield from _activations(chain, inner.layers, f"{here}/{name}", depth + 1)
        elif spec.kind in RECTIFIERS or (spec.kind in LIMITS and not (depth == 0 and layer is layers[-1])):
            yield layer, spec.kind, here


def _named_chains(
    spec: CombinatorSpec, layer: Combinator
) -> Iterator[tuple[str, Sequence[LayerSpec], Sequential]]:
    """The chains of layers side by side, with their names in the JSON."""
    names = (
        ("layers", "shortcut")
        if spec.kind == "residual"
        else tuple(f"branches/{i}" for i in range(len(spec.chains)))
    )
    for name, chain, inner in zip(names, spec.chains, layer.layers, strict=True):
        assert isinstance(inner, Sequential), "a chain is built as one"
        yield name, chain, inner


def _pass(layers: Sequence[Layer], x: Array, watched: dict[int, "_Watched"], depth: int) -> Array:
    """Send rows through and let the watched layers be seen."""
    for layer in layers:
        inside = isinstance(layer, Combinator) and depth < DEEPEST
        if inside and isinstance(layer, Sequential):
            x = _pass(layer.layers, x, watched, depth + 1)
            continue
        if inside and isinstance(layer, Combinator):
            for chain in layer.layers:
                assert isinstance(chain, Sequential), "a chain is built as one"
                _pass(chain.layers, x, watched, depth + 1)
        x = layer.forward(x, train=False)
        if (one := watched.get(id(layer))) is not None:
            one.see(x)
    return x


class _Watched:
    """An activation whose outputs are counted; a unit is a place along the last axis."""

    def __init__(self, layer: Layer, kind: str, place: str) -> None:
        self.layer, self._kind, self._place = layer, kind, place
        self._awake: Flags | None = None
        self._at_limit = self._seen = 0

    def see(self, y: Array) -> None:
        """Count some rows."""
        outputs = y.reshape(-1, y.shape[-1])
        if self._kind in RECTIFIERS:
            awake = outputs.max(axis=0) > 0
            self._awake = awake if self._awake is None else self._awake | awake
            return
        low, high = LIMITS[self._kind]
        margin = NEAR_LIMIT * (high - low)
        distance = np.abs(outputs - (low + high) / 2)
        self._at_limit += int(np.count_nonzero(distance > (high - low) / 2 - margin))
        self._seen += outputs.size

    def units(self) -> Units:
        """What was counted."""
        if self._awake is not None:
            count = self._awake.size
            return Units(self._place, self._kind, count, 1 - float(np.count_nonzero(self._awake)) / count)
        count = self.layer.out_shape[-1]
        return Units(self._place, self._kind, count, self._at_limit / max(self._seen, 1))
