"""Steps of one size, in the direction of a momentum's signs."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.optimizers.base import DecayingSpec, Optimizer, Views


class LionSpec(DecayingSpec):
    """Every parameter moves by the learning rate, up or down as momentum and gradient have it."""

    formula: ClassVar[str] = (
        r"\theta_t = (1 - \eta\lambda)\theta_{t-1} - \eta\, \mathrm{sign}(\beta_1 m_{t-1} + (1-\beta_1) g_t), "
        r"\quad m_t = \beta_2 m_{t-1} + (1-\beta_2) g_t"
    )
    source: ClassVar[str] = "Chen et al. 2023, Symbolic discovery of optimization algorithms, algorithm 2"

    kind: Literal["lion"] = "lion"
    learning_rate: float = Field(
        0.0001, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="Share of the momentum in a step's direction.")
    beta2: float = Field(0.99, ge=0, lt=1, description="Decay of the momentum.")

    def build(self) -> "Lion":
        """Build the optimizer."""
        return Lion(self)


class Lion(Optimizer):
    """theta -= eta sign(b1 m + (1 - b1) g); m = b2 m + (1 - b2) g.

    The slot holds M = m / (1 - b2): the sign is that of b1 (1 - b2) / (1 - b1) M + g.
    """

    slot_names = ("momentum",)

    def __init__(self, spec: LionSpec) -> None:
        super().__init__(spec.weight_decay)
        self.spec = spec

    def _update(self, views: Views, learning_rate: float) -> None:
        b1, b2 = self.spec.beta1, self.spec.beta2
        p, g, (momentum,), (work,) = views
        np.multiply(momentum, b1 * (1 - b2) / (1 - b1), out=work)
        work += g
        np.sign(work, out=work)
        work *= learning_rate
        p -= work
        momentum *= b2
        momentum += g
