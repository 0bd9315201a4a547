"""Adam, with a weight decay of its own (AdamW) and with steps that never grow back (AMSGrad)."""

import math
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike
from pydantic import Field

from engine.kernels import chosen
from engine.network import Segment
from engine.optimizers.base import DecayingSpec, Views
from engine.optimizers.moments import AdaptiveMoments, AdaptiveMomentsSpec


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


class Adam(AdaptiveMoments):
    """theta -= eta (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).

    With M = m / (1 - b1), V = v / (1 - b2) and r = sqrt((1 - b2^t) / (1 - b2)) the scalars fold:

    sqrt(v / (1 - b2^t)) + eps = (sqrt(V) + eps r) / r
    step = [eta (1 - b1) r / (1 - b1^t)] M / (sqrt(V) + eps r)
    """

    def bind(self, segments: list[Segment], size: int, dtype: DTypeLike) -> None:
        """Allocate also the scalars of an update."""
        super().bind(segments, size, dtype)
        self._kernel = chosen().adam
        self._scalars = np.array([self.spec.beta1, self.spec.beta2, 0.0, 0.0], dtype)
        self._beta1, self._beta2, self._epsilon, self._rate = (self._scalars[i, ...] for i in range(4))

    def _update(self, views: Views, learning_rate: float) -> None:
        p, g, (m, v), (work,) = views
        self._scalars[2], self._scalars[3] = self._folded(learning_rate)
        self._kernel(p, g, m, v, self._beta1, self._beta2, self._epsilon, self._rate, work)

    def _folded(self, learning_rate: float) -> tuple[float, float]:
        """eps r and the factor of the step."""
        b1, b2, t = self.spec.beta1, self.spec.beta2, self.step_count
        ratio = math.sqrt((1 - b2**t) / (1 - b2))
        return self.spec.epsilon * ratio, learning_rate * (1 - b1) * ratio / (1 - b1**t)


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

    def build(self) -> Adam:
        """Adam with theta *= 1 - eta lambda on decayed segments before each step.

        As in PyTorch, eta is the learning rate after its schedule, which the paper writes eta_t alpha
        for the step and eta_t alone for the decay.
        """
        return Adam(self, self.weight_decay)


class AmsGradSpec(DecayingSpec, AdaptiveMomentsSpec):
    """Adam whose steps are scaled by the largest running mean of the squared gradient so far."""

    formula: ClassVar[str] = (
        r"\hat v_t = \max(\hat v_{t-1}, v_t), \quad "
        r"\theta_t = \theta_{t-1} - \eta "
        r"\frac{m_t / (1-\beta_1^t)}{\sqrt{\hat v_t / (1-\beta_2^t)} + \epsilon}"
    )
    source: ClassVar[str] = (
        "Reddi, Kale and Kumar 2018, On the convergence of Adam and beyond, algorithm 2, with Adam's "
        "correction of the bias as in PyTorch"
    )

    kind: Literal["amsgrad"] = "amsgrad"

    def build(self) -> "AmsGrad":
        """Build the optimizer."""
        return AmsGrad(self, self.weight_decay)


class AmsGrad(Adam):
    """Adam with L = max(L, V) in the place of V."""

    slot_names: tuple[str, ...] = ("m", "v", "largest_v")

    def _update(self, views: Views, learning_rate: float) -> None:
        p, _, (m, v, largest), (work,) = views
        epsilon, rate = self._folded(learning_rate)
        self._move_moments(views)
        np.maximum(largest, v, out=largest)
        np.sqrt(largest, out=work)
        work += epsilon
        np.divide(m, work, out=work)
        work *= rate
        p -= work
