"""Stochastic gradient descent, with and without momentum."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from engine.optimizers.base import DecayingSpec, Optimizer, Views


class SgdSpec(DecayingSpec):
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
        super().__init__(spec.weight_decay)
        self.spec = spec
        self.slot_names = ("velocity",) if spec.momentum else ()

    def _update(self, views: Views, learning_rate: float) -> None:
        p, g, slots, (work,) = views
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
