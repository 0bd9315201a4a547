"""How far to go along a direction: a step at which the strong Wolfe conditions hold."""

import math
from collections.abc import Callable
from typing import NamedTuple

DECREASE = 1e-4
"""c_1: the least share of the decrease that the slope promises."""
CURVATURE = 0.9
"""c_2: the most that may be left of the slope's size."""
EVALUATIONS = 25
"""Points that a search looks at, at most."""


class Point(NamedTuple):
    """The cost and its slope at a step along the direction."""

    step: float
    cost: float
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, first: float, *, rounding: float, finest: float = 0.0
) -> Point | None:
    """A point with cost(a) <= cost(0) + c_1 a slope(0) and |slope(a)| <= c_2 |slope(0)|.

    `start` is the point at step 0, with a slope below 0; `first` the step that is tried first;
    `rounding` the relative error of a cost; `finest` a difference of steps that makes none in theta.
    The search ends where it cannot tell points apart. Where no such point is found it is the lowest one that was
    seen, and None if none is lower than the start.

    Nocedal and Wright 2006, Numerical optimization, algorithms 3.5 and 3.6.
    """
    search = _Search(evaluate, start, rounding * abs(start.cost), finest)
    low, high = search.bracket(first)
    found = low if high is None else search.zoom(low, high)
    return None if found is start else found


class _Search:
    def __init__(self, evaluate: Callable[[float], Point], start: Point, slack: float, finest: float) -> None:
        self._evaluate = evaluate
        self._start = start
        self._slack = slack  # error of a cost
        self._finest = finest
        self._left = EVALUATIONS

    def _look(self, step: float) -> Point:
        self._left -= 1
        return self._evaluate(step)

    def _too_high(self, point: Point) -> bool:
        most = self._start.cost + DECREASE * point.step * self._start.slope + self._slack
        return not point.cost <= most  # a cost that is not a number is too high

    def _flat(self, point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * self._start.slope

    def _apart(self, low: Point, high: Point) -> bool:
        width = abs(high.step - low.step)
        return width > self._finest and width * abs(low.slope) > self._slack

    def bracket(self, step: float) -> tuple[Point, Point | None]:
        """A point that will do, or two with such a point between them, the lower one first."""
        low = self._start
        while self._left:
            point = self._look(step)
            if self._too_high(point) or (low is not self._start and point.cost >= low.cost):
                return low, point
            if self._flat(point):
                return point, None
            if point.slope >= 0:
                return point, low
            step = _farther(low, point)
            low = point
        return low, None

    def zoom(self, low: Point, high: Point) -> Point:
        """A point between the two that will do, or the lowest where rounding ends the search."""
        while self._left and self._apart(low, high):
            point = self._look(_between(low, high))
            if self._too_high(point) or point.cost >= low.cost:
                high = point
                continue
            if self._flat(point):
                return point
            if point.slope * (high.step - low.step) >= 0:
                high = low
            low = point
        return low


def _farther(before: Point, last: Point) -> float:
    """The next step while the cost still falls: where the cubic has its minimum, 1.1 to 10 times as far."""
    guess = _minimum(before, last)
    return min(max(guess, 1.1 * last.step), 10 * last.step) if math.isfinite(guess) else 10 * last.step


def _between(low: Point, high: Point) -> float:
    """Where the cubic has its minimum, but not within a tenth of the ends; else the middle."""
    left, width = min(low.step, high.step), abs(high.step - low.step)
    guess = _minimum(low, high)
    if not math.isfinite(guess):
        return left + width / 2
    return min(max(guess, left + 0.1 * width), left + 0.9 * width)


def _minimum(a: Point, b: Point) -> float:
    """Where the cubic through both points, with their slopes, has its minimum; not finite: nowhere.

    Nocedal and Wright 2006, eq. 3.59.
    """
    d1 = a.slope + b.slope - 3 * (a.cost - b.cost) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:
        return math.nan
    d2 = math.copysign(math.sqrt(square), b.step - a.step)
    divisor = b.slope - a.slope + 2 * d2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / divisor if divisor else math.nan
