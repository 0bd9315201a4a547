"""Linear models of the encoded features: what can be had without a network.

    values    minimise sum |y - x W - b|^2 + l2 |W|^2                    (ridge regression, solved exactly)
    classes   minimise sum -ln p(truth) + l2/2 |W|^2, p = softmax(x W + b), or sigmoid for each label
              (logistic regression, by Newton's method; each step is found by conjugate gradients)

Columns are standardised first, biases bear no penalty: scikit-learn's Ridge(alpha=l2) and
LogisticRegression(C=1/l2) behind a StandardScaler.

Source: Hastie, Tibshirani & Friedman 2009, The elements of statistical learning, sections 3.4 and 4.4; the steps:
Nocedal & Wright 2006, Numerical optimization, algorithm 7.1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array
from engine.tasks import Task
from engine.trust.temperature import CLASSIFYING, DISTRIBUTIONS

Figures = NDArray[np.float64]

NEWTON_STEPS = 50
PRODUCTS = 400
"""Products of the Hessian with a vector, over all Newton steps: what bounds the time."""


@dataclass(frozen=True)
class LinearModel:
    """x -> sigmoid, softmax or identity of (x - mean) / scale W + b."""

    mean: Figures  # (width,)
    scale: Figures  # (width,)
    weights: Figures  # (width, outputs)
    bias: Figures  # (outputs,)
    task: Task

    def answers(self, x: Array) -> Figures:
        """Probabilities or values (rows, outputs) for encoded rows (rows, width)."""
        z = (x.astype(np.float64) - self.mean) / self.scale @ self.weights + self.bias
        return _linked(z, self.task)


def fit_linear(x: Array, y: Figures, task: Task, *, l2: float = 1.0, tolerance: float = 1e-4) -> LinearModel:
    """Fit to encoded rows x (rows, width) and their truth y (rows, outputs), at least one row.

    `tolerance`: of the gradient's largest entry, a row, of a logistic regression.
    """
    rows = x.astype(np.float64)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-8 * np.abs(mean).clip(1), scale, 1.0)
    rows -= mean
    rows /= scale
    solve = _logistic if task in CLASSIFYING else _ridge
    weights, bias = solve(rows, y, l2, task, tolerance)
    return LinearModel(mean=mean, scale=scale, weights=weights, bias=bias, task=task)


def _ridge(x: Figures, y: Figures, l2: float, _task: Task, _tolerance: float) -> tuple[Figures, Figures]:
    """Rows are centred: the bias is the mean. By the smaller of the two equal systems (X'X + l2) and (XX' + l2)."""
    bias = y.mean(axis=0)
    rows, width = x.shape
    if width <= rows:
        return np.linalg.solve(x.T @ x + l2 * np.eye(width), x.T @ (y - bias)), bias
    return x.T @ np.linalg.solve(x @ x.T + l2 * np.eye(rows), y - bias), bias


def _logistic(x: Figures, y: Figures, l2: float, task: Task, tolerance: float) -> tuple[Figures, Figures]:
    with_bias = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    problem = _Logistic(with_bias, y, l2, task)
    theta = np.zeros((with_bias.shape[1], y.shape[1]))
    left = PRODUCTS
    value, p = problem.value(theta)
    for _ in range(NEWTON_STEPS):
        gradient = problem.gradient(theta, p)
        largest = float(np.abs(gradient).max())
        if largest <= tolerance * len(x) or left <= 0:
            break
        step, used = _newton_step(problem, p, gradient, left)
        left -= used
        theta, value, p, moved = _line_search(problem, theta, step, value, float((gradient * step).sum()))
        if not moved:
            break
    return theta[:-1], theta[-1]


class _Logistic:
    """The penalised log loss of theta (width + 1, outputs), the last row being the biases."""

    def __init__(self, x: Figures, y: Figures, l2: float, task: Task) -> None:
        self._x, self._y, self._task = x, y, task
        self._l2 = np.full((x.shape[1], 1), l2)
        self._l2[-1] = 0

    def value(self, theta: Figures) -> tuple[float, Figures]:
        """The value, and the probabilities (rows, outputs)."""
        z = self._x @ theta
        penalty = float((self._l2 * theta**2).sum()) / 2
        if self._task in DISTRIBUTIONS:
            z -= z.max(axis=1, keepdims=True)
            loss = np.log(np.exp(z).sum(axis=1)).sum() - (z * self._y).sum()
        else:
            loss = (np.logaddexp(0, z) - z * self._y).sum()
        return float(loss) + penalty, _linked(z, self._task)

    def gradient(self, theta: Figures, p: Figures) -> Figures:
        """By theta, at the probabilities p."""
        gradient: Figures = self._x.T @ (p - self._y) + self._l2 * theta
        return gradient

    def curved(self, direction: Figures, p: Figures) -> Figures:
        """The Hessian times a direction of theta's shape."""
        z = self._x @ direction
        centre = (p * z).sum(axis=1, keepdims=True) if self._task in DISTRIBUTIONS else p * z
        change = p * (z - centre)
        product: Figures = self._x.T @ change + self._l2 * direction
        return product


def _newton_step(problem: _Logistic, p: Figures, gradient: Figures, most: int) -> tuple[Figures, int]:
    """The step d with H d = -gradient, the closer the smaller the gradient is; how many products it took."""
    step = np.zeros_like(gradient)
    residual = -gradient
    direction = residual.copy()
    squared = float((residual**2).sum())
    size = float(np.sqrt(squared))
    enough = (min(0.1, np.sqrt(size / len(p))) * size) ** 2
    used = 0
    while squared > enough and used < most:
        product = problem.curved(direction, p)
        used += 1
        curvature = float((direction * product).sum())
        if curvature <= 0:  # flat to rounding
            break
        rate = squared / curvature
        step += rate * direction
        residual -= rate * product
        before, squared = squared, float((residual**2).sum())
        direction = residual + squared / before * direction
    return step, used


def _line_search(
    problem: _Logistic, theta: Figures, step: Figures, value: float, slope: float
) -> tuple[Figures, float, Figures, bool]:
    """Halve the step until it lowers the value enough (Armijo); where theta then is, and whether it moved."""
    rate = 1.0
    for _ in range(30):
        there = theta + rate * step
        lower, p = problem.value(there)
        if lower <= value + 1e-4 * rate * slope + 1e-12 * abs(value):
            return there, lower, p, True
        rate /= 2
    return theta, value, problem.value(theta)[1], False


def _linked(z: Figures, task: Task) -> Figures:
    if task in DISTRIBUTIONS:
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        probabilities: Figures = powers / powers.sum(axis=1, keepdims=True)
        return probabilities
    if task in CLASSIFYING:
        positive: Figures = np.tanh(z / 2) / 2 + 0.5
        return positive
    return z
