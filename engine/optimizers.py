"""How a step changes the parameters: optimizers that work in place on the flat vectors, block by block."""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Union

import numpy as np
from numpy.typing import DTypeLike
from pydantic import Field, ValidationInfo, field_validator

from engine.arrays import Array
from engine.network import Segment
from engine.spec import Spec

BLOCK = 65_536
"""Values a block: what an update reads and writes of one block stays in the processor's cache."""


class Block(NamedTuple):
    """A run of the flat vectors that is updated at once."""

    part: slice
    rate: float  # factor on the learning rate
    decayed: tuple[slice, ...]  # the parts of the block, counted from its start, that weight decay applies to


def blocks(segments: Iterable[Segment]) -> Iterator[Block]:
    """Merge neighbouring segments of one rate and cut the runs into blocks.

    A block costs some ten NumPy calls whatever its size, so small networks want few of them: a bias
    between two weights makes no block of its own.
    """
    for rate, group in groupby(segments, key=lambda segment: segment.rate):
        members = list(group)
        stop = members[-1].slice.stop
        for start in range(members[0].slice.start, stop, BLOCK):
            end = min(start + BLOCK, stop)
            yield Block(slice(start, end), rate, tuple(_decayed(members, start, end)))


def _decayed(segments: Iterable[Segment], start: int, stop: int) -> Iterator[slice]:
    """The runs within start..stop that weight decay applies to, counted from `start`."""
    for decay, group in groupby(segments, key=lambda segment: segment.decay):
        members = list(group)
        first, last = max(members[0].slice.start, start), min(members[-1].slice.stop, stop)
        if decay and first < last:
            yield slice(first - start, last - start)


class Optimizer:
    """Changes theta by its gradient. What it remembers between steps is `slots` and `step_count`."""

    slot_names: tuple[str, ...] = ()
    weight_decay: float = 0.0  # share of a decayed weight, times the learning rate, lost a step
    slots: dict[str, Array]  # name -> (parameters,)
    step_count: int  # steps done

    def bind(self, segments: list[Segment], size: int, dtype: DTypeLike) -> None:
        """Allocate the slots, at zero, for `size` parameters that `segments` describe in order."""
        self.step_count = 0
        self.slots = {name: np.zeros(size, dtype) for name in self.slot_names}
        self._blocks = list(blocks(segments))
        self._work = np.empty(min(size, BLOCK), dtype)

    def step(self, theta: Array, grad: Array, learning_rate: float) -> None:
        """Update theta (parameters,) in place; `grad` (parameters,) stays as it is."""
        self.step_count += 1
        for part, factor, decayed in self._blocks:
            p, rate = theta[part], learning_rate * factor
            if self.weight_decay:
                for run in decayed:
                    p[run] *= 1 - rate * self.weight_decay
            self._update(p, grad[part], [slot[part] for slot in self.slots.values()], rate)

    def _update(self, p: Array, g: Array, slots: list[Array], learning_rate: float) -> None:
        """Update the block p of theta and the blocks of the slots by the block g of the gradient."""
        raise NotImplementedError


class OptimizerSpec(Spec):
    """A spec that builds an optimizer."""

    kind: str
    learning_rate: float = Field(
        0.001, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )

    @property
    def slots(self) -> int:
        """Values that the optimizer keeps for each parameter."""
        return len(self.build().slot_names)

    def build(self) -> Optimizer:
        """Build the optimizer; it has no memory until `bind`."""
        raise NotImplementedError


class SgdSpec(OptimizerSpec):
    """Stochastic gradient descent, plain or with (Nesterov) momentum."""

    formula: ClassVar[str] = (
        r"v_t = \mu v_{t-1} + g_t, \quad \theta_t = \theta_{t-1} - \eta v_t"
        r" \quad (\text{Nesterov: } \theta_t = \theta_{t-1} - \eta (g_t + \mu v_t))"
    )
    source: ClassVar[str] = (
        "Robbins and Monro 1951, A stochastic approximation method; Sutskever et al. 2013, On the importance "
        "of initialization and momentum in deep learning, eq. 1-4, in PyTorch's form"
    )

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(
        0.01, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="Share of the last step that the next one keeps.")
    nesterov: bool = Field(False, description="Look ahead along the momentum; needs a momentum above 0.")

    @field_validator("nesterov")
    @classmethod
    def _needs_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return nesterov

    def build(self) -> "Sgd":
        """Build the optimizer."""
        return Sgd(self)


class Sgd(Optimizer):
    """v = mu v + g; theta -= eta v, or with Nesterov theta -= eta (g + mu v).

    PyTorch's form of Sutskever et al. 2013: the learning rate stands outside of v, so that a
    schedule acts at once, and with Nesterov theta is the paper's looked-ahead theta + mu v.
    """

    def __init__(self, spec: SgdSpec) -> None:
        self.spec = spec
        self.slot_names = ("velocity",) if spec.momentum else ()

    def _update(self, p: Array, g: Array, slots: list[Array], learning_rate: float) -> None:
        work = self._work[: len(g)]
        direction = g
        if slots:
            [v] = slots
            v *= self.spec.momentum
            v += g
            direction = v
            if self.spec.nesterov:
                direction = np.multiply(v, self.spec.momentum, out=work)
                direction += g
        p -= np.multiply(direction, learning_rate, out=work)


class AdaptiveMomentsSpec(OptimizerSpec):
    """What Adam and its relatives have in common."""

    beta1: float = Field(0.9, ge=0, lt=1, description="Decay of the running mean of the gradient.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Decay of the running mean of the squared gradient.")
    epsilon: float = Field(1e-8, ge=1e-16, le=1, description="Keeps the division from dividing by zero.")


class AdamSpec(AdaptiveMomentsSpec):
    """Steps scaled by running means of the gradient and of its square."""

    formula: ClassVar[str] = (
        r"m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t, \quad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2, \quad "
        r"\theta_t = \theta_{t-1} - \eta \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}"
    )
    source: ClassVar[str] = "Kingma and Ba 2015, Adam: a method for stochastic optimization, algorithm 1"

    kind: Literal["adam"] = "adam"

    def build(self) -> "Adam":
        """Build the optimizer."""
        return Adam(self)


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1).

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    theta -= eta (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).

    The slots hold m / (1 - b1) and v / (1 - b2).
    """

    slot_names = ("m", "v")

    def __init__(self, spec: AdaptiveMomentsSpec) -> None:
        self.spec = spec

    def _update(self, p: Array, g: Array, slots: list[Array], learning_rate: float) -> None:
        # With M = m / (1 - b1), V = v / (1 - b2), s = sqrt(1 - b2), c = sqrt(1 - b2^t) the scalars fold:
        #   M = b1 M + g, V = b2 V + g^2                    (two passes less than m and v)
        #   sqrt(v / (1 - b2^t)) + eps = (s / c) (sqrt(V) + eps c / s)
        #   step = [eta (1 - b1) c / ((1 - b1^t) s)] M / (sqrt(V) + eps c / s)
        b1, b2, t = self.spec.beta1, self.spec.beta2, self.step_count
        s, c = math.sqrt(1 - b2), math.sqrt(1 - b2**t)
        m, v = slots
        work = self._work[: len(g)]
        m *= b1
        m += g
        np.multiply(g, g, out=work)
        v *= b2
        v += work
        np.sqrt(v, out=work)
        work += self.spec.epsilon * c / s
        np.divide(m, work, out=work)
        work *= learning_rate * (1 - b1) * c / ((1 - b1**t) * s)
        p -= work


class AdamWSpec(AdaptiveMomentsSpec):
    """Adam with weight decay that is not scaled by the running means; biases do not decay."""

    formula: ClassVar[str] = (
        r"\theta_t = (1 - \eta\lambda)\theta_{t-1} - "
        r"\eta \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}"
    )
    source: ClassVar[str] = "Loshchilov and Hutter 2019, Decoupled weight decay regularization, algorithm 2"

    kind: Literal["adamw"] = "adamw"
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="Share of a weight, times the learning rate, lost a step."
    )

    def build(self) -> "AdamW":
        """Build the optimizer."""
        return AdamW(self)


class AdamW(Adam):
    """theta *= 1 - eta lambda on decayed segments, then Adam's step.

    Loshchilov and Hutter 2019, algorithm 2. As in PyTorch, eta is the learning rate after its
    schedule, which the paper writes eta_t alpha for the step and eta_t alone for the decay.
    """

    def __init__(self, spec: AdamWSpec) -> None:
        super().__init__(spec)
        self.weight_decay = spec.weight_decay


OPTIMIZER_SPECS: tuple[type[OptimizerSpec], ...] = (SgdSpec, AdamSpec, AdamWSpec)

if TYPE_CHECKING:
    AnyOptimizer = OptimizerSpec
else:
    AnyOptimizer = Annotated[Union[OPTIMIZER_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any optimizer's spec, told apart by `kind`."""
