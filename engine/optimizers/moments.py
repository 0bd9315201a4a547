"""The running moments of the gradient, on which Adam and its relatives are built."""

import numpy as np
from pydantic import Field

from engine.optimizers.base import Optimizer, OptimizerSpec, Views


class AdaptiveMomentsSpec(OptimizerSpec):
    """What Adam and its relatives have in common."""

    beta1: float = Field(0.9, ge=0, lt=1, description="Decay of the running mean of the gradient.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Decay of the running mean of the squared gradient.")
    epsilon: float = Field(1e-8, ge=1e-16, le=1, description="Keeps the division from dividing by zero.")


class AdaptiveMoments(Optimizer):
    """m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2.

    The slots hold M = m / (1 - b1) and V = v / (1 - b2), which costs two passes less:
    M = b1 M + g; V = b2 V + g^2. What an update multiplies by is folded into one number.
    """

    slot_names: tuple[str, ...] = ("m", "v")

    def __init__(self, spec: AdaptiveMomentsSpec, weight_decay: float = 0.0) -> None:
        super().__init__(weight_decay)
        self.spec = spec

    def _move_moments(self, views: Views) -> None:
        """Let the moments follow the gradient."""
        g, m, v, work = views.g, views.slots[0], views.slots[1], views.work[0]
        m *= self.spec.beta1
        m += g
        np.multiply(g, g, out=work)
        v *= self.spec.beta2
        v += work
