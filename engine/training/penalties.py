"""What pulls weights towards zero (L1, L2), and what keeps a gradient from growing too long (clipping)."""

import math

import numpy as np

from engine.arrays import Array
from engine.network import Network
from engine.optimizers import blocks


class Penalty:
    """l1 sum |w| + l2 / 2 sum w^2 over the segments with `decay`: it is added to the cost, not to the loss.

    Tibshirani 1996 (L1); Hoerl and Kennard 1970, Krogh and Hertz 1991 (L2).
    """

    def __init__(self, network: Network, *, l1: float, l2: float) -> None:
        self._l1, self._l2 = l1, l2
        self._pairs = [
            (network.theta[part][run], network.grad[part][run])
            for part, _, decayed, _ in blocks(network.segments)
            for run in decayed
            if l1 or l2
        ]
        self._work = np.empty(max((len(w) for w, _ in self._pairs), default=0), network.dtype)

    def value(self) -> float:
        """The penalty of the weights as they are."""
        total = 0.0
        for w, _ in self._pairs:
            if self._l1:
                total += self._l1 * float(np.abs(w, out=self._work[: len(w)]).sum())
            if self._l2:
                total += self._l2 / 2 * float(np.dot(w, w))
        return total

    def add_gradient(self) -> None:
        """g += l1 sign(w) + l2 w; at w = 0 the subgradient 0."""
        for w, g in self._pairs:
            work = self._work[: len(w)]
            if self._l1:
                np.sign(w, out=work)
                work *= self._l1
                np.add(g, work, out=g)
            if self._l2:
                np.multiply(w, self._l2, out=work)
                np.add(g, work, out=g)


class Clipping:
    """Limits a gradient, penalties included, in place: first each value, then the length of the whole.

    Pascanu, Mikolov and Bengio 2013, On the difficulty of training recurrent neural networks, algorithm 1.
    """

    def __init__(self, *, value: float | None, norm: float | None) -> None:
        self._value, self._norm = value, norm

    def apply(self, grad: Array) -> None:
        """-value <= g_i <= value, then g *= norm / ||g|| if ||g|| > norm."""
        if self._value is not None:
            np.clip(grad, -self._value, self._value, out=grad)
        if self._norm is not None:
            length = math.sqrt(np.dot(grad, grad))
            if length > self._norm:
                grad *= self._norm / length
