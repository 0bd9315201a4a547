"""Losses of the differences e = a - y between answers and targets."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.kernels import chosen
from engine.losses.base import ElementLoss, LossSpec


class DifferenceSpec(LossSpec):
    """What the symmetric losses have in common: any task, on values or on probabilities."""

    tasks: ClassVar[frozenset[str]] = frozenset(
        {"binary", "multiclass", "multilabel", "regression", "autoencoding"}
    )


class MseSpec(DifferenceSpec):
    """The mean squared error: large errors count much more than small ones."""

    formula: ClassVar[str] = r"l = \frac{1}{n} \sum_j (a_j - y_j)^2"
    source: ClassVar[str] = (
        "Legendre 1805, Nouvelles méthodes pour la détermination des orbites des comètes; the article's MSE"
    )

    kind: Literal["mse"] = "mse"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Mse":
        """Build for outputs of any shape."""
        return Mse(shape, batch, dtype)


class Mse(ElementLoss):
    """element = e^2; its slope is 2 e."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._kernel = chosen().squared_errors
        self._one = np.ones((), dtype)
        self.share *= 2

    def cost(self, z: Array, y: Array, weight: Array | None) -> float:
        """The mean of e^2 over the row's outputs."""
        return self.descend(z, y, weight, self._one, self._difference[: len(z)])

    def descend(self, z: Array, y: Array, weight: Array | None, factor: Array, out: Array) -> float:
        """The same, and half of its slope: e."""
        weighted, weight = weight is not None, self._ones if weight is None else weight
        return self._kernel(z, y, weight, weighted, out, factor, self._losses, self._column)


class MaeSpec(DifferenceSpec):
    """The mean absolute error: outliers count no more than their distance."""

    formula: ClassVar[str] = r"l = \frac{1}{n} \sum_j |a_j - y_j|"
    source: ClassVar[str] = "Boscovich 1757; Koenker & Bassett 1978, Regression quantiles"

    kind: Literal["mae"] = "mae"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Mae":
        """Build for outputs of any shape."""
        return Mae(shape, batch, dtype)


class Mae(ElementLoss):
    """element = |e|; its slope is sign(e), and 0 at e = 0."""

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """|e|."""
        np.subtract(z, y, out=self._difference[: len(z)])
        np.abs(self._difference[: len(z)], out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """sign(e)."""
        np.sign(self._difference[: len(z)], out=out)


class HuberSpec(DifferenceSpec):
    """Squared for small errors and linear for large ones: a compromise between mse and mae."""

    formula: ClassVar[str] = (
        r"l = \frac{1}{n} \sum_j \begin{cases} \frac{1}{2} e_j^2 & |e_j| \le \delta \\"
        r" \delta (|e_j| - \frac{1}{2} \delta) & |e_j| > \delta \end{cases}, \quad e_j = a_j - y_j"
    )
    source: ClassVar[str] = "Huber 1964, Robust estimation of a location parameter"

    kind: Literal["huber"] = "huber"
    delta: float = Field(1.0, gt=0, le=1e6, description="The error delta from which on the loss is linear.")

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Huber":
        """Build for outputs of any shape."""
        return Huber(shape, batch, dtype, self.delta)


class Huber(ElementLoss):
    """element = c (e - c / 2) with c = e cut to [-delta, delta]; its slope is c."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating], delta: float) -> None:
        super().__init__(shape, batch, dtype)
        self._delta = delta
        self._cut = np.empty_like(self._difference)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """c (e - c / 2): e^2 / 2 inside, delta (|e| - delta / 2) outside."""
        e, c = self._difference[: len(z)], self._cut[: len(z)]
        np.subtract(z, y, out=e)
        np.clip(e, -self._delta, self._delta, out=c)
        np.multiply(c, -0.5, out=out)
        out += e
        out *= c

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """c."""
        np.copyto(out, self._cut[: len(z)])


class LogCoshSpec(DifferenceSpec):
    """The logarithm of the error's hyperbolic cosine: half the square near 0, the size less log 2 far out.

    Like huber with delta 1, but smooth everywhere.
    """

    formula: ClassVar[str] = r"l = \frac{1}{n} \sum_j \log \cosh(a_j - y_j)"
    source: ClassVar[str] = (
        "Green 1990, Bayesian reconstructions from emission tomography data using a modified EM algorithm"
    )

    kind: Literal["log_cosh"] = "log_cosh"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "LogCosh":
        """Build for outputs of any shape."""
        return LogCosh(shape, batch, dtype)


class LogCosh(ElementLoss):
    """element = log cosh e; its slope is tanh e."""

    STRAIGHT = 20.0
    """From this |e| on, log cosh e is |e| - log 2 to the last bit of a float64."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._rest = np.empty_like(self._difference)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """log(1 + 2 sinh^2(c / 2)) + |e| - c, with c = |e| cut to `STRAIGHT`: precise, and no overflow."""
        e, rest = self._difference[: len(z)], self._rest[: len(z)]
        np.subtract(z, y, out=e)
        np.abs(e, out=rest)
        np.minimum(rest, self.STRAIGHT, out=out)
        rest -= out
        out *= 0.5
        np.sinh(out, out=out)
        np.square(out, out=out)
        out *= 2.0
        np.log1p(out, out=out)
        out += rest

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """tanh e."""
        np.tanh(self._difference[: len(z)], out=out)


class QuantileSpec(LossSpec):
    """The pinball loss: the answer that it asks for is the quantile of the target, not its mean.

    With level 0.9, a target above the answer costs 9 times as much as one below it, so that about 90 % of
    the targets end up below their answers. Level 0.5 is half the mean absolute error, and asks for the median.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"regression"})
    formula: ClassVar[str] = r"l = \frac{1}{n} \sum_j \max(\tau (y_j - a_j), (1 - \tau) (a_j - y_j))"
    source: ClassVar[str] = "Koenker & Bassett 1978, Regression quantiles"

    kind: Literal["quantile"] = "quantile"
    level: float = Field(0.5, gt=0, lt=1, description="The share tau of targets below their answers.")

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Pinball":
        """Build for outputs of any shape."""
        return Pinball(shape, batch, dtype, self.level)


class Pinball(ElementLoss):
    """element = max(-tau e, (1 - tau) e); its slope is sign(e) / 2 + 1/2 - tau."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating], level: float) -> None:
        super().__init__(shape, batch, dtype)
        self._level = level
        self._below = np.empty_like(self._difference)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """max(-tau e, (1 - tau) e)."""
        e, below = self._difference[: len(z)], self._below[: len(z)]
        np.subtract(z, y, out=e)
        np.multiply(e, -self._level, out=below)
        np.add(e, below, out=out)
        np.maximum(out, below, out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """-tau for e < 0, 1 - tau for e > 0, and in the middle at 0."""
        np.sign(self._difference[: len(z)], out=out)
        out *= 0.5
        out += 0.5 - self._level
