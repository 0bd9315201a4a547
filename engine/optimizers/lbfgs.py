"""A quasi-Newton method on all rows at once, whose curvature comes from the last few steps."""

import math
from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike
from pydantic import Field, PositiveInt

from engine.arrays import Array
from engine.network import Segment
from engine.optimizers.base import Closure, Optimizer, OptimizerSpec, blocks
from engine.optimizers.line_search import Point, strong_wolfe


class LbfgsSpec(OptimizerSpec):
    """Newton's method with a curvature learned from the last steps; each step takes all rows.

    Right for small data and smooth networks without dropout. The batch size has no meaning.
    """

    formula: ClassVar[str] = (
        r"\theta_{k+1} = \theta_k - \alpha_k H_k g_k, \quad "
        r"H_{k+1} = (I - \rho_k s_k y_k^\top) H_k (I - \rho_k y_k s_k^\top) + \rho_k s_k s_k^\top, \quad "
        r"s_k = \theta_{k+1} - \theta_k,\; y_k = g_{k+1} - g_k,\; \rho_k = \tfrac{1}{y_k^\top s_k}"
    )
    source: ClassVar[str] = (
        "Nocedal 1980, Updating quasi-Newton matrices with limited storage; Nocedal and Wright 2006, Numerical "
        "optimization, algorithms 7.4, 3.5 and 3.6"
    )

    full_batch: ClassVar[bool] = True

    kind: Literal["lbfgs"] = "lbfgs"
    learning_rate: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="The step that the line search tries first; the schedule multiplies it.",
    )
    history: PositiveInt = Field(
        10, le=100, description="Number of past steps that the curvature comes from."
    )
    iterations: PositiveInt = Field(
        1, le=1000, description="Iterations a step, and so an epoch, each with a line search of its own."
    )

    @property
    def slots(self) -> int:
        """The steps and changes of the gradient, and the four vectors of a line search."""
        return 2 * self.history + 4

    @property
    def evaluations(self) -> int:
        """One at the start, and most line searches take the first step that they try."""
        return 1 + self.iterations

    def build(self) -> "Lbfgs":
        """Build the optimizer."""
        return Lbfgs(self)


class Lbfgs(Optimizer):
    """theta += alpha d with d = -H g, alpha by the strong Wolfe conditions.

    The slots s0, y0, s1, y1, ... are a ring of pairs: that of iteration k is at k mod history, zeros
    where the iteration had none to give. A segment's rate scales H where it starts: H_0 = gamma diag(rate).
    """

    def __init__(self, spec: LbfgsSpec) -> None:
        super().__init__()
        self.spec = spec
        self.slot_names = tuple(f"{letter}{i}" for i in range(spec.history) for letter in "sy")

    def bind(self, segments: list[Segment], size: int, dtype: DTypeLike) -> None:
        """Allocate the pairs, and what a line search works with."""
        super().bind(segments, size, dtype)
        self._pairs = [(self.slots[f"s{i}"], self.slots[f"y{i}"]) for i in range(self.spec.history)]
        self._rates = [(block.part, block.rate) for block in blocks(segments)]
        self._rounding = float(np.finfo(dtype).eps)
        self._d, self._from, self._from_grad, self._moved = (np.empty(size, dtype) for _ in range(4))

    def step(self, theta: Array, grad: Array, learning_rate: float, closure: Closure | None = None) -> None:
        """Do the iterations of a step; at the end `grad` is the gradient at the new theta."""
        if closure is None:
            raise ValueError("lbfgs needs a closure that evaluates the cost at theta")
        cost = closure()
        for i in range(self.spec.iterations):
            at = self.step_count * self.spec.iterations + i
            cost = self._iterate(theta, grad, learning_rate, closure, cost, at)
        self.step_count += 1

    def _iterate(
        self, theta: Array, grad: Array, learning_rate: float, closure: Closure, cost: float, at: int
    ) -> float:
        """Go along one direction and keep the pair; returns the new cost."""
        first = learning_rate * self._find_direction(grad, at)
        start = Point(0.0, cost, float(np.dot(grad, self._d)))
        np.copyto(self._from, theta)
        np.copyto(self._from_grad, grad)
        last = start

        def evaluate(step: float) -> Point:
            nonlocal last
            np.multiply(self._d, step, out=self._moved)
            np.add(self._from, self._moved, out=theta)
            value = closure()
            last = Point(step, value, float(np.dot(grad, self._d)))
            return last

        found = None
        if start.slope < 0 < first:  # a schedule may be at 0
            finest = self._rounding * _length(theta) / _length(self._d)
            found = strong_wolfe(evaluate, start, first, rounding=self._rounding, finest=finest)
        if found is None:  # the lowest point there is, or a step that leads nowhere: begin anew
            np.copyto(theta, self._from)
            np.copyto(grad, self._from_grad)
            for vector in self.slots.values():
                vector.fill(0)
            return cost
        if found is not last:
            evaluate(found.step)
        self._keep_pair(theta, grad, at)
        return last.cost

    def _keep_pair(self, theta: Array, grad: Array, at: int) -> None:
        """s = the step, y = the change of the gradient; only where the curvature s^T y is above 0."""
        s, y = self._pairs[at % self.spec.history]
        np.subtract(theta, self._from, out=s)
        np.subtract(grad, self._from_grad, out=y)
        if not float(np.dot(s, y)) > self._rounding * _length(s) * _length(y):
            s.fill(0)
            y.fill(0)

    def _find_direction(self, grad: Array, at: int) -> float:
        """Let d be -H g by the two-loop recursion; returns how much of d to try first."""
        d, work = self._d, self._moved
        np.negative(grad, out=d)
        shares: list[tuple[Array, Array, float, float]] = []  # s, y, s^T y and alpha, the newest pair first
        for s, y in self._newest_first(at):
            curvature = float(np.dot(s, y))
            if curvature > 0:
                alpha = float(np.dot(s, d)) / curvature
                d -= np.multiply(y, alpha, out=work)
                shares.append((s, y, curvature, alpha))
        gamma = 1.0
        if shares:
            _, y, curvature, _ = shares[0]
            scaled = sum(rate * float(np.dot(y[part], y[part])) for part, rate in self._rates)
            gamma = curvature / scaled
        for part, rate in self._rates:
            np.multiply(d[part], gamma * rate, out=d[part])
        for s, y, curvature, alpha in reversed(shares):
            beta = float(np.dot(y, d)) / curvature
            d += np.multiply(s, alpha - beta, out=work)
        length = _length(d)
        return 1.0 if shares or length <= 1 else 1 / length

    def _newest_first(self, at: int) -> Iterator[tuple[Array, Array]]:
        """The pairs of the iterations before `at`, those without one (zeros) included."""
        for back in range(1, self.spec.history + 1):
            yield self._pairs[(at - back) % self.spec.history]


def _length(vector: Array) -> float:
    return math.sqrt(float(np.dot(vector, vector)))
