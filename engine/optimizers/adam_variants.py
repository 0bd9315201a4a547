"""Relatives of Adam: the maximum norm (Adamax), Nesterov's look-ahead (NAdam), a rectified start (RAdam)."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.optimizers.base import DecayingSpec, Views
from engine.optimizers.moments import AdaptiveMoments, AdaptiveMomentsSpec


class AdamaxSpec(DecayingSpec, AdaptiveMomentsSpec):
    """Adam scaled by a decaying maximum of the gradient's size in the place of a running mean."""

    formula: ClassVar[str] = (
        r"u_t = \max(\beta_2 u_{t-1}, |g_t| + \epsilon), \quad "
        r"\theta_t = \theta_{t-1} - \frac{\eta}{1-\beta_1^t} \frac{m_t}{u_t}"
    )
    source: ClassVar[str] = (
        "Kingma and Ba 2015, Adam: a method for stochastic optimization, algorithm 2, with the epsilon of PyTorch"
    )

    kind: Literal["adamax"] = "adamax"
    learning_rate: float = Field(
        0.002, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )

    def build(self) -> "Adamax":
        """Build the optimizer."""
        return Adamax(self, self.weight_decay)


class Adamax(AdaptiveMoments):
    """u = max(b2 u, |g| + eps); theta -= eta / (1 - b1^t) m / u, with M = m / (1 - b1)."""

    slot_names: tuple[str, ...] = ("m", "u")

    def _update(self, views: Views, learning_rate: float) -> None:
        b1 = self.spec.beta1
        p, g, (m, u), (work,) = views
        m *= b1
        m += g
        u *= self.spec.beta2
        np.abs(g, out=work)
        work += self.spec.epsilon
        np.maximum(u, work, out=u)
        np.divide(m, u, out=work)
        work *= learning_rate * (1 - b1) / (1 - b1**self.step_count)
        p -= work


class NAdamSpec(DecayingSpec, AdaptiveMomentsSpec):
    """Adam with Nesterov's momentum: a step already looks ahead along the next one."""

    formula: ClassVar[str] = (
        r"\mu_t = \beta_1 (1 - \tfrac{1}{2} 0.96^{\psi t}), \quad "
        r"\theta_t = \theta_{t-1} - \eta \frac{\mu_{t+1} m_t / (1-\prod_{i=1}^{t+1} \mu_i)"
        r" + (1-\mu_t) g_t / (1-\prod_{i=1}^{t} \mu_i)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}"
    )
    source: ClassVar[str] = (
        "Dozat 2016, Incorporating Nesterov momentum into Adam, algorithm 2, with Adam's own m as in PyTorch"
    )

    kind: Literal["nadam"] = "nadam"
    learning_rate: float = Field(
        0.002, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )
    momentum_decay: float = Field(
        0.004, ge=0, le=100, description="How fast the momentum of the look-ahead rises to beta1, psi."
    )

    def build(self) -> "NAdam":
        """Build the optimizer."""
        return NAdam(self)


class NAdam(AdaptiveMoments):
    """theta -= eta (a M + b g) / (sqrt(v / (1 - b2^t)) + eps), with M = m / (1 - b1).

    a = (1 - b1) mu_{t+1} / (1 - mu_1 ... mu_{t+1}) and b = (1 - mu_t) / (1 - mu_1 ... mu_t). The root
    folds as in Adam.
    """

    scratch = 2

    def __init__(self, spec: NAdamSpec) -> None:
        super().__init__(spec, spec.weight_decay)
        self._decay = spec.momentum_decay
        self._steps, self._product = 0, 1.0  # mu_1 ... mu_steps

    def _momentum(self, t: int) -> float:
        return self.spec.beta1 * (1 - 0.5 * math.pow(0.96, self._decay * t))

    def _momenta(self, t: int) -> float:
        """mu_1 ... mu_t, from that of the step before where it is known."""
        if self._steps > t:
            self._steps, self._product = 0, 1.0
        while self._steps < t:
            self._steps += 1
            self._product *= self._momentum(self._steps)
        return self._product

    def _update(self, views: Views, learning_rate: float) -> None:
        b1, b2, t = self.spec.beta1, self.spec.beta2, self.step_count
        s, c = math.sqrt(1 - b2), math.sqrt(1 - b2**t)
        product, ahead = self._momenta(t), self._momentum(t + 1)
        a = (1 - b1) * ahead / (1 - product * ahead)
        b = (1 - self._momentum(t)) / (1 - product)
        p, g, (m, v), (work, scale) = views
        self._move_moments(views)
        np.sqrt(v, out=scale)
        scale += self.spec.epsilon * c / s
        np.multiply(m, a / b, out=work)
        work += g
        work /= scale
        work *= learning_rate * b * c / s
        p -= work


class RAdamSpec(DecayingSpec, AdaptiveMomentsSpec):
    """Adam whose first steps are held back for as long as the scale is known from too few gradients."""

    formula: ClassVar[str] = (
        r"\rho_\infty = \tfrac{2}{1-\beta_2} - 1, \quad \rho_t = \rho_\infty - "
        r"\tfrac{2 t \beta_2^t}{1-\beta_2^t}, \quad \theta_t = \theta_{t-1} - \eta \frac{m_t}{1-\beta_1^t} "
        r"\begin{cases} \sqrt{\frac{(\rho_t-4)(\rho_t-2)\rho_\infty}{(\rho_\infty-4)(\rho_\infty-2)\rho_t}}"
        r"\, \frac{\sqrt{1-\beta_2^t}}{\sqrt{v_t} + \epsilon} & \rho_t > 4 \\ 1 & \rho_t \le 4 \end{cases}"
    )
    source: ClassVar[str] = (
        "Liu et al. 2020, On the variance of the adaptive learning rate and beyond, algorithm 2"
    )

    kind: Literal["radam"] = "radam"

    def build(self) -> "RAdam":
        """Build the optimizer."""
        return RAdam(self, self.weight_decay)


class RAdam(AdaptiveMoments):
    """theta -= eta r l m / (1 - b1^t) where rho > 4, with l = sqrt(1 - b2^t) / (sqrt(v) + eps).

    Before that theta -= eta m / (1 - b1^t). With V = v / (1 - b2) and s = sqrt(1 - b2),
    sqrt(v) + eps = s (sqrt(V) + eps / s).
    """

    def _update(self, views: Views, learning_rate: float) -> None:
        b1, b2, t = self.spec.beta1, self.spec.beta2, self.step_count
        p, _, (m, v), (work,) = views
        self._move_moments(views)
        factor = learning_rate * (1 - b1) / (1 - b1**t)
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * t * b2**t / (1 - b2**t)
        if length > 4:
            s = math.sqrt(1 - b2)
            rectifier = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            np.sqrt(v, out=work)
            work += self.spec.epsilon / s
            np.divide(m, work, out=work)
            work *= factor * math.sqrt(rectifier * (1 - b2**t)) / s
        else:
            np.multiply(m, factor, out=work)
        p -= work
