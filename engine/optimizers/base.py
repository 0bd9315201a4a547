"""What all optimizers share: the flat vectors are updated in place, block by block."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from pydantic import Field

from engine.arrays import Array, zeros
from engine.checkpoint import Checkpoint
from engine.network import Segment
from engine.spec import Spec

BLOCK = 65_536
"""Values a block: what an update reads and writes of one block stays in the processor's cache."""

Closure = Callable[[], float]
"""Evaluates the cost at the present theta, overwrites the gradient with that of this cost, and returns it."""


class Block(NamedTuple):
    """A run of the flat vectors that is updated at once."""

    part: slice
    rate: float  # factor on the learning rate
    decayed: tuple[slice, ...]  # the parts of the block, counted from its start, that weight decay applies to
    decay_factor: float  # on their weight decay


def blocks(segments: Iterable[Segment]) -> Iterator[Block]:
    """Merge neighbouring segments of one rate and one decay, and cut the runs into blocks.

    A block costs some ten NumPy calls whatever its size, so small networks want few of them: a bias
    between two weights makes no block of its own.
    """
    alike = groupby(segments, key=lambda segment: (segment.rate, segment.decay_factor))
    for (rate, decay_factor), group in alike:
        members = list(group)
        stop = members[-1].slice.stop
        for start in range(members[0].slice.start, stop, BLOCK):
            end = min(start + BLOCK, stop)
            yield Block(slice(start, end), rate, tuple(_decayed(members, start, end)), decay_factor)


def _decayed(segments: Iterable[Segment], start: int, stop: int) -> Iterator[slice]:
    """The runs within start..stop that weight decay applies to, counted from `start`."""
    for decay, group in groupby(segments, key=lambda segment: segment.decay):
        members = list(group)
        first, last = max(members[0].slice.start, start), min(members[-1].slice.stop, stop)
        if decay and first < last:
            yield slice(first - start, last - start)


class Views(NamedTuple):
    """What one update reads and writes: one block of everything."""

    p: Array  # of theta
    g: Array  # of the gradient
    slots: tuple[Array, ...]  # in the order of `Optimizer.slot_names`
    work: tuple[Array, ...]  # scratch


class Run(NamedTuple):
    """A block's views, with what is the block's own."""

    views: Views
    rate: float
    decayed: tuple[Array, ...]  # views of p
    decay_factor: float


class Optimizer:
    """Changes theta by its gradient.

    What it remembers between steps is `slots` and `step_count`; all else is derived from these or from the spec.
    """

    slot_names: tuple[str, ...] = ()
    scratch: int = 1  # scratch arrays that an update works with, each as long as a block
    slots: dict[str, Array]  # name -> (parameters,)
    step_count: int  # steps done
    decay_share: float = 1.0  # factor on the weight decay of the next step

    def __init__(self, weight_decay: float = 0.0) -> None:
        """`weight_decay`: share of a decayed weight, times the learning rate, lost a step."""
        self.weight_decay = weight_decay

    def bind(self, segments: list[Segment], size: int, dtype: DTypeLike) -> None:
        """Allocate the slots, at zero, for `size` parameters that `segments` describe in order."""
        self.step_count = 0
        self.slots = {name: zeros(size, dtype) for name in self.slot_names}
        self._segments = segments
        self._work = [zeros(min(size, BLOCK), dtype) for _ in range(self.scratch)]
        self._theta: Array | None = None
        self._grad: Array | None = None
        self._runs: list[Run] = []

    def checkpoint(self) -> Checkpoint:
        """All that it remembers."""
        return Checkpoint(dict(self.slots), {"step_count": self.step_count})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Remember it again, after `bind`; raises `CheckpointMismatch` for what another optimizer remembers."""
        checkpoint.fill(**self.slots)
        self.step_count = checkpoint.facts["step_count"]

    def step(self, theta: Array, grad: Array, learning_rate: float, closure: Closure | None = None) -> None:
        """Update theta (parameters,) in place; `grad` (parameters,) is its gradient and stays as it is.

        The views of the two arrays are kept, so that they are cut once where all steps get the same
        arrays. Only a full-batch optimizer calls `closure`; it may overwrite `grad`.
        """
        if theta is not self._theta or grad is not self._grad:
            self._theta, self._grad = theta, grad
            self._runs = self._cut(theta, grad, self._segments)
        self.step_count += 1
        for views, factor, decayed, decay_factor in self._runs:
            rate = learning_rate * factor
            if self.weight_decay:
                kept = 1 - rate * self.weight_decay * decay_factor * self.decay_share
                for weights in decayed:
                    np.multiply(weights, kept, out=weights)
            self._update(views, rate)

    def _cut(self, theta: Array, grad: Array, segments: Iterable[Segment]) -> list[Run]:
        """The views of every block of these segments."""
        return [
            Run(
                Views(
                    theta[part],
                    grad[part],
                    tuple(slot[part] for slot in self.slots.values()),
                    tuple(work[: part.stop - part.start] for work in self._work),
                ),
                rate,
                tuple(theta[part][run] for run in decayed),
                decay_factor,
            )
            for part, rate, decayed, decay_factor in blocks(segments)
        ]

    def _update(self, views: Views, learning_rate: float) -> None:
        """Update a block of theta and of the slots by a block of the gradient."""
        raise NotImplementedError


class OptimizerSpec(Spec):
    """A spec that builds an optimizer."""

    kind: str
    learning_rate: float = Field(
        0.001, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )

    full_batch: ClassVar[bool] = False
    """Whether a step takes all training rows at once and needs a closure."""

    @property
    def slots(self) -> int:
        """Values that the optimizer keeps for each parameter."""
        return len(self.build().slot_names)

    @property
    def evaluations(self) -> int:
        """Times that the cost and its gradient are computed for a step, about."""
        return 1

    def build(self) -> Optimizer:
        """Build the optimizer; it has no memory until `bind`."""
        raise NotImplementedError


class DecayingSpec(OptimizerSpec):
    """A spec of an optimizer with a weight decay of its own, apart from the gradient."""

    weight_decay: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of a weight, times the learning rate, lost a step; biases do not decay.",
    )
