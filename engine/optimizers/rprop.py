"""Steps that know the gradient's signs alone, each parameter with a step of its own."""

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import DTypeLike
from pydantic import Field, model_validator

from engine.network import Segment
from engine.optimizers.base import Optimizer, OptimizerSpec, Views


class RpropSpec(OptimizerSpec):
    """Each parameter's step grows while its gradient keeps its sign, and shrinks when the sign turns.

    Made for batches of all rows: with small ones the signs turn by chance.
    """

    formula: ClassVar[str] = (
        r"\Delta_t = \begin{cases} \min(\eta^+ \Delta_{t-1}, \Delta_{max}) & g_{t-1} g_t > 0 \\ "
        r"\max(\eta^- \Delta_{t-1}, \Delta_{min}),\; g_t := 0 & g_{t-1} g_t < 0 \\ "
        r"\Delta_{t-1} & g_{t-1} g_t = 0 \end{cases}, \quad \theta_t = \theta_{t-1} - \Delta_t\, \mathrm{sign}(g_t)"
    )
    source: ClassVar[str] = (
        "Riedmiller and Braun 1993, A direct adaptive method for faster backpropagation learning; in the form "
        "iRprop- of Igel and Hüsken 2000, Improving the Rprop learning algorithm"
    )

    kind: Literal["rprop"] = "rprop"
    learning_rate: float = Field(
        0.01,
        gt=0,
        le=1000,
        description="The first step of every parameter; the schedule multiplies all steps.",
    )
    increase: float = Field(1.2, ge=1, le=10, description="Factor on a step while the sign stays, eta+.")
    decrease: float = Field(0.5, gt=0, le=1, description="Factor on a step when the sign turns, eta-.")
    smallest: float = Field(1e-6, ge=1e-12, le=1000, description="The smallest step, Delta_min.")
    largest: float = Field(50.0, ge=1e-12, le=1000, description="The largest step, Delta_max.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.smallest > self.largest:
            raise ValueError(f"smallest = {self.smallest} must not be above largest = {self.largest}")
        return self

    def build(self) -> "Rprop":
        """Build the optimizer."""
        return Rprop(self)


class Rprop(Optimizer):
    """theta -= Delta sign(g); the slots hold each Delta, and the sign of its last gradient.

    Signs are compared in the place of gradients, whose product may underflow.
    """

    slot_names = ("size", "sign")
    scratch = 2

    def __init__(self, spec: RpropSpec) -> None:
        super().__init__()
        self.spec = spec

    def bind(self, segments: list[Segment], size: int, dtype: DTypeLike) -> None:
        """Allocate as every optimizer does; all steps have their first size."""
        super().bind(segments, size, dtype)
        self.slots["size"].fill(self.spec.learning_rate)

    def _update(self, views: Views, learning_rate: float) -> None:
        spec = self.spec
        p, g, (size, last), (sign, work) = views
        np.sign(g, out=sign)
        np.multiply(sign, last, out=last)  # 1: the sign stays, -1: it turns
        # increase^(last > 0) decrease^(last < 0)
        np.maximum(last, 0, out=work)
        work *= spec.increase - 1
        size += np.multiply(size, work, out=work)
        np.minimum(last, 0, out=work)
        work *= 1 - spec.decrease
        size += np.multiply(size, work, out=work)
        np.clip(size, spec.smallest, spec.largest, out=size)
        # last = sign, or 0 where it turns
        np.minimum(last, 0, out=work)
        work += 1
        np.multiply(sign, work, out=last)
        np.multiply(last, size, out=work)
        work *= learning_rate / spec.learning_rate
        p -= work
