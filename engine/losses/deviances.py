"""Losses with a log link: the network gives z, the logarithm of the mean mu = e^z of a target y >= 0.

Each is a unit deviance d(y, mu): twice the log-likelihood that mu lacks to the best mean, y itself. It is 0
for mu = y, as (y - mu)^2 is, the deviance of the normal distribution. With r = log(y / mu), all of them have
the slope dd/dz = -2 mu^(2 - power) (e^r - 1).
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.losses.base import ElementLoss, LossSpec, Takes

LARGEST_LOGARITHM = 30.0
"""Means are cut to e^-30 .. e^30: even their squares are far from what overflows a float32."""

_LOG_ZERO = -1e30
"""A logarithm of 0 whose exponential is 0 and that, times 0, is 0."""


class DevianceSpec(LossSpec):
    """What the losses with a log link have in common."""

    tasks: ClassVar[frozenset[str]] = frozenset({"regression"})
    takes: ClassVar[Takes] = "logarithms"

    @property
    def allows_zero(self) -> bool:
        """Whether a target may be 0; none may be negative."""
        return True


class PoissonSpec(DevianceSpec):
    """For counts, whose variance grows with their mean; on the logarithm of the mean.

    It is scikit-learn's mean Poisson deviance. Targets are not negative.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"regression", "count"})
    formula: ClassVar[str] = (
        r"l = \frac{2}{n} \sum_j \left(y_j \log \frac{y_j}{\mu_j} - y_j + \mu_j\right), \quad \mu_j = e^{z_j}"
    )
    source: ClassVar[str] = "McCullagh & Nelder 1989, Generalized linear models, sections 2.3 and 6.2"

    kind: Literal["poisson"] = "poisson"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Poisson":
        """Build for logarithms of means of any shape."""
        return Poisson(shape, batch, dtype)


class GammaSpec(DevianceSpec):
    """For positive amounts whose spread is in proportion to their mean; on the logarithm of the mean.

    It is scikit-learn's mean gamma deviance. Targets are positive.
    """

    formula: ClassVar[str] = (
        r"l = \frac{2}{n} \sum_j \left(\frac{y_j}{\mu_j} - 1 - \log \frac{y_j}{\mu_j}\right),"
        r" \quad \mu_j = e^{z_j}"
    )
    source: ClassVar[str] = "McCullagh & Nelder 1989, Generalized linear models, sections 2.3 and 8.3"

    kind: Literal["gamma"] = "gamma"

    @property
    def allows_zero(self) -> bool:
        """A target may not be 0."""
        return False

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Gamma":
        """Build for logarithms of means of any shape."""
        return Gamma(shape, batch, dtype)


class TweedieSpec(DevianceSpec):
    """For amounts that are often 0 and otherwise positive, such as claims; on the logarithm of the mean.

    The variance grows as the mean to the `power`: 1 is poisson, 2 is gamma. It is scikit-learn's mean Tweedie
    deviance. Targets are not negative, with power 2 they are positive.
    """

    formula: ClassVar[str] = (
        r"l = \frac{2}{n} \sum_j \left(\frac{y_j^{2-p}}{(1-p)(2-p)} - \frac{y_j \mu_j^{1-p}}{1-p}"
        r" + \frac{\mu_j^{2-p}}{2-p}\right), \quad \mu_j = e^{z_j}, \ 1 < p < 2"
    )
    source: ClassVar[str] = (
        "Tweedie 1984, An index which distinguishes between some important exponential families; "
        "Jorgensen 1987, Exponential dispersion models"
    )

    kind: Literal["tweedie"] = "tweedie"
    power: float = Field(1.5, ge=1, le=2, description="The power p of the mean that the variance grows as.")

    @property
    def allows_zero(self) -> bool:
        """Unless it is gamma."""
        return self.power < 2

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Deviance":
        """Build for logarithms of means of any shape."""
        if self.power == 1:
            return Poisson(shape, batch, dtype)
        if self.power == 2:
            return Gamma(shape, batch, dtype)
        return Tweedie(shape, batch, dtype, self.power)


class Deviance(ElementLoss):
    """element = d(y, e^t) + d' (z - t), with t = z cut to +-30: beyond, it goes on as its tangent.

    So its value and slope stay finite, and the slope still shows the way back. `deviance` makes halves.
    """

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._r = np.empty_like(self._difference)
        self._slope = np.empty_like(self._difference)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """d(y, e^t) + d' (z - t)."""
        t, r, slope = self._difference[: len(z)], self._r[: len(z)], self._slope[: len(z)]
        np.clip(z, -LARGEST_LOGARITHM, LARGEST_LOGARITHM, out=t)
        with np.errstate(divide="ignore"):
            np.log(y, out=r)
        np.maximum(r, _LOG_ZERO, out=r)
        r -= t
        self.deviance(y, t, r, slope, out)
        np.subtract(z, t, out=t)
        t *= slope
        out += t
        out *= 2.0

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """d'."""
        np.multiply(self._slope[: len(z)], 2.0, out=out)

    def deviance(self, y: Array, t: Array, r: Array, slope: Array, out: Array) -> None:
        """Fill `out` with d / 2 and `slope` with d' / 2, of y, the mean e^t and r = log y - t; all (rows, width)."""
        raise NotImplementedError


class Poisson(Deviance):
    """d / 2 = y r + mu - y, d' / 2 = mu - y."""

    def deviance(self, y: Array, t: Array, r: Array, slope: Array, out: Array) -> None:
        """y r + mu - y."""
        np.exp(t, out=slope)
        slope -= y
        np.multiply(y, r, out=out)
        out += slope


class Gamma(Deviance):
    """d / 2 = e^r - 1 - r, d' / 2 = -(e^r - 1)."""

    def deviance(self, y: Array, t: Array, r: Array, slope: Array, out: Array) -> None:
        """e^r - 1 - r."""
        np.expm1(r, out=slope)
        np.subtract(slope, r, out=out)
        np.negative(slope, out=slope)


class Tweedie(Deviance):
    """d / 2 = y^s (e^(q r) - 1) / q - mu^s (e^(s r) - 1) / s with q = p - 1 and s = 2 - p.

    This is the formula of the spec, ordered so that nothing cancels near p = 1 and p = 2.
    """

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating], power: float) -> None:
        super().__init__(shape, batch, dtype)
        self._q = power - 1
        self._s = 2 - power
        self._part = np.empty_like(self._difference)
        self._raised = np.empty_like(self._difference)

    def deviance(self, y: Array, t: Array, r: Array, slope: Array, out: Array) -> None:
        """d' / 2 = -mu^s (e^r - 1); then the two parts of d / 2."""
        part, raised = self._part[: len(y)], self._raised[: len(y)]
        np.multiply(t, self._s, out=raised)
        np.exp(raised, out=raised)  # mu^s
        np.expm1(r, out=slope)
        slope *= raised
        np.negative(slope, out=slope)

        np.multiply(r, self._s, out=out)
        np.expm1(out, out=out)
        out *= raised
        out *= -1 / self._s

        np.multiply(r, self._q, out=part)
        np.expm1(part, out=part)
        np.power(y, self._s, out=raised)
        part *= raised
        part *= 1 / self._q
        out += part
