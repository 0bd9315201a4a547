"""Steps scaled by the size of past gradients: Adagrad, RMSprop, Adadelta."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.optimizers.base import DecayingSpec, Optimizer, Views


class AdagradSpec(DecayingSpec):
    """Steps that shrink with the sum of the squared gradients: rare features keep large steps."""

    formula: ClassVar[str] = (
        r"G_t = G_{t-1} + g_t^2, \quad \theta_t = \theta_{t-1} - \eta \frac{g_t}{\sqrt{G_t} + \epsilon}"
    )
    source: ClassVar[str] = (
        "Duchi, Hazan and Singer 2011, Adaptive subgradient methods for online learning and stochastic "
        "optimization, the diagonal form of figure 1"
    )

    kind: Literal["adagrad"] = "adagrad"
    learning_rate: float = Field(
        0.01, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )
    epsilon: float = Field(1e-10, ge=1e-16, le=1, description="Keeps the division from dividing by zero.")

    def build(self) -> "Adagrad":
        """Build the optimizer."""
        return Adagrad(self)


class Adagrad(Optimizer):
    """G += g^2; theta -= eta g / (sqrt(G) + eps)."""

    slot_names = ("squares",)

    def __init__(self, spec: AdagradSpec) -> None:
        super().__init__(spec.weight_decay)
        self.spec = spec

    def _update(self, views: Views, learning_rate: float) -> None:
        p, g, (squares,), (work,) = views
        np.multiply(g, g, out=work)
        squares += work
        np.sqrt(squares, out=work)
        work += self.spec.epsilon
        np.divide(g, work, out=work)
        work *= learning_rate
        p -= work


class RmspropSpec(DecayingSpec):
    """Steps scaled by a running mean of the squared gradient."""

    formula: ClassVar[str] = (
        r"v_t = \rho v_{t-1} + (1-\rho) g_t^2, \quad b_t = \mu b_{t-1} + \frac{g_t}{\sqrt{v_t} + \epsilon}, "
        r"\quad \theta_t = \theta_{t-1} - \eta b_t \quad (\text{centered: } v_t - m_t^2 \text{ for } v_t, "
        r"\; m_t = \rho m_{t-1} + (1-\rho) g_t)"
    )
    source: ClassVar[str] = (
        "Tieleman and Hinton 2012, Neural networks for machine learning, lecture 6.5; centered: Graves 2013, "
        "Generating sequences with recurrent neural networks, eq. 38-45"
    )

    kind: Literal["rmsprop"] = "rmsprop"
    rho: float = Field(0.9, ge=0, lt=1, description="Decay of the running means.")
    epsilon: float = Field(1e-8, ge=1e-16, le=1, description="Keeps the division from dividing by zero.")
    momentum: float = Field(0.0, ge=0, lt=1, description="Share of the last step that the next one keeps.")
    centered: bool = Field(
        False, description="Scale by the running variance in the place of the mean square."
    )

    def build(self) -> "Rmsprop":
        """Build the optimizer."""
        return Rmsprop(self)


class Rmsprop(Optimizer):
    """theta -= eta g / (sqrt(v) + eps), or with momentum theta -= eta b with b = mu b + g / (sqrt(v) + eps).

    The slots hold V = v / (1 - rho), M = m / (1 - rho) and B = s b with s = sqrt(1 - rho):
    v - m^2 = s^2 (V - s^2 M^2) and sqrt(v) + eps = s (sqrt(V) + eps / s).
    """

    def __init__(self, spec: RmspropSpec) -> None:
        super().__init__(spec.weight_decay)
        self.spec = spec
        self.slot_names = (
            "squares",
            *(("mean",) if spec.centered else ()),
            *(("velocity",) if spec.momentum else ()),
        )

    def _update(self, views: Views, learning_rate: float) -> None:
        spec = self.spec
        s = math.sqrt(1 - spec.rho)
        p, g, (squares, *others), (work,) = views
        squares *= spec.rho
        np.multiply(g, g, out=work)
        squares += work
        scale = squares
        if spec.centered:
            mean = others[0]
            mean *= spec.rho
            mean += g
            np.multiply(mean, mean, out=work)
            work *= spec.rho - 1
            work += squares
            scale = np.abs(work, out=work)  # where rounding leaves a variance below 0
        np.sqrt(scale, out=work)
        work += spec.epsilon / s
        np.divide(g, work, out=work)
        if spec.momentum:
            velocity = others[-1]
            velocity *= spec.momentum
            velocity += work
            np.multiply(velocity, learning_rate / s, out=work)
        else:
            work *= learning_rate / s
        p -= work


class AdadeltaSpec(DecayingSpec):
    """Steps in the unit of the parameters themselves: scaled by past steps over past gradients."""

    formula: ClassVar[str] = (
        r"v_t = \rho v_{t-1} + (1-\rho) g_t^2, \quad \Delta_t = \sqrt{\frac{u_{t-1} + \epsilon}{v_t + \epsilon}}"
        r"\, g_t, \quad u_t = \rho u_{t-1} + (1-\rho) \Delta_t^2, \quad \theta_t = \theta_{t-1} - \eta \Delta_t"
    )
    source: ClassVar[str] = "Zeiler 2012, Adadelta: an adaptive learning rate method, algorithm 1"

    kind: Literal["adadelta"] = "adadelta"
    learning_rate: float = Field(
        1.0, gt=0, le=1000, description="Size of a step, 1 in the paper; the schedule multiplies it."
    )
    rho: float = Field(0.95, ge=0, lt=1, description="Decay of the running means.")
    epsilon: float = Field(
        1e-6, ge=1e-16, le=1, description="Starts the steps, and keeps the division from dividing by zero."
    )

    def build(self) -> "Adadelta":
        """Build the optimizer."""
        return Adadelta(self)


class Adadelta(Optimizer):
    """d = sqrt((u + eps) / (v + eps)) g; theta -= eta d.

    The slots hold V = v / (1 - rho) and U = u / (1 - rho): in the quotient 1 - rho cancels, with
    eps / (1 - rho) for eps.
    """

    slot_names = ("squares", "squared_steps")
    scratch = 2

    def __init__(self, spec: AdadeltaSpec) -> None:
        super().__init__(spec.weight_decay)
        self.spec = spec

    def _update(self, views: Views, learning_rate: float) -> None:
        rho, epsilon = self.spec.rho, self.spec.epsilon / (1 - self.spec.rho)
        p, g, (squares, squared_steps), (step, work) = views
        squares *= rho
        np.multiply(g, g, out=work)
        squares += work
        np.add(squares, epsilon, out=work)
        np.add(squared_steps, epsilon, out=step)
        step /= work
        np.sqrt(step, out=step)
        step *= g
        squared_steps *= rho
        np.multiply(step, step, out=work)
        squared_steps += work
        step *= learning_rate
        p -= step
