"""Adam with steps in proportion to the weights that they move, for large batches."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.optimizers.base import Closure, Run, Views
from engine.optimizers.moments import AdaptiveMoments, AdaptiveMomentsSpec


class LambSpec(AdaptiveMomentsSpec):
    """Adam whose step is as long as the weights of the layer are, times the learning rate.

    Biases and other parameters that do not decay take Adam's own steps.
    """

    formula: ClassVar[str] = (
        r"u_t = \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon} + \lambda \theta_{t-1}, \quad "
        r"\theta_t = \theta_{t-1} - \eta \frac{\|\theta_{t-1}\|}{\|u_t\|} u_t"
    )
    source: ClassVar[str] = (
        "You et al. 2020, Large batch optimization for deep learning: training BERT in 76 minutes, algorithm 2"
    )

    kind: Literal["lamb"] = "lamb"
    epsilon: float = Field(1e-6, ge=1e-16, le=1, description="Keeps the division from dividing by zero.")
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="Share of the weights in a step's direction; biases do not decay."
    )

    def build(self) -> "Lamb":
        """Build the optimizer."""
        return Lamb(self)


class Lamb(AdaptiveMoments):
    """theta -= eta (||theta|| / ||u||) u, segment by segment; the ratio is 1 where a norm is 0.

    u = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + lambda theta; the scalars fold as in Adam.
    """

    scratch = 2

    def __init__(self, spec: LambSpec) -> None:
        super().__init__(spec)
        self._lambda = spec.weight_decay
        self._layers: list[list[Run]] = []

    def step(self, theta: Array, grad: Array, learning_rate: float, closure: Closure | None = None) -> None:
        """Update theta (parameters,) in place; `grad` (parameters,) is its gradient and stays as it is."""
        if theta is not self._theta or grad is not self._grad:
            self._theta, self._grad = theta, grad
            self._layers = [self._cut(theta, grad, [segment]) for segment in self._segments]
        self.step_count += 1
        for layer in self._layers:
            self._step_layer(layer, learning_rate)

    def _step_layer(self, layer: list[Run], learning_rate: float) -> None:
        squared_weights = squared_direction = 0.0
        for views, _, decayed, decay_factor in layer:
            self._move_moments(views)
            u = self._direction(views, decay_factor if decayed else 0.0)
            if decayed:
                squared_weights += float(np.dot(views.p, views.p))
                squared_direction += float(np.dot(u, u))
        ratio = 1.0
        if squared_weights and squared_direction:
            ratio = math.sqrt(squared_weights / squared_direction)
        for views, factor, decayed, decay_factor in layer:
            # Of several blocks all but the last have lost their u to the scratch that they share.
            whole = len(layer) == 1
            u = views.work[0] if whole else self._direction(views, decay_factor if decayed else 0.0)
            u *= learning_rate * factor * ratio
            np.subtract(views.p, u, out=views.p)

    def _direction(self, views: Views, decay_factor: float) -> Array:
        """u of a block, in the first scratch array; a block of one segment decays as a whole."""
        b1, b2, t = self.spec.beta1, self.spec.beta2, self.step_count
        s, c = math.sqrt(1 - b2), math.sqrt(1 - b2**t)
        p, _, (m, v), (u, work) = views
        np.sqrt(v, out=u)
        u += self.spec.epsilon * c / s
        np.divide(m, u, out=u)
        u *= (1 - b1) * c / ((1 - b1**t) * s)
        if decay_factor and self._lambda:
            u += np.multiply(p, self._lambda * decay_factor * self.decay_share, out=work)
        return u
