"""How numbers are brought to a common scale: fitted on training rows, saved with the model as JSON."""

from collections.abc import Callable
from functools import cached_property
from statistics import NormalDist
from typing import Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.spec import Spec

FARTHEST = 1e6
"""Scaled values are clipped to +-1e6: no finite input, however absurd, makes an infinite float32 later."""
MOST_QUANTILES, FEWEST_QUANTILES, ROWS_A_QUANTILE = 1000, 10, 30
_EXTREME = 5.199337582605575  # the normal quantile of 1 - 1e-7
_LEVELS = np.linspace(-_EXTREME, _EXTREME, 2081)
_SHARES = np.array([NormalDist().cdf(level) for level in _LEVELS])


class Scale(Spec):
    """Bring numbers to a common scale: u = factor (x - center), and in the robust form u / sqrt(1 + (u/3)^2).

    standard: center = mean, factor = 1 / standard deviation (of the population).
    robust: center = median, factor = 1 / (Q.75 - Q.25), or 2 / (max - min) where the quartiles are equal;
    Holzmueller et al. 2024, Better by Default, section 3.
    In these two the factor of a constant is 0.
    unit and none: center = 0 and one factor for all columns, see `common`.
    """

    center: float
    factor: float
    bounded: bool = Field(description="Whether u / sqrt(1 + (u/3)^2) follows, which keeps within +-3.")

    @classmethod
    def common(cls, largest: float) -> "Scale":
        """The scale that divides by `largest`, the size of the largest value of all columns (0: by 1)."""
        return cls(
            center=0.0, factor=1 / largest if largest >= np.finfo(np.float64).tiny else 1.0, bounded=False
        )

    @classmethod
    def fit(cls, values: Array, scaling: Literal["standard", "robust"]) -> "Scale":
        """Fit to values without missing ones; none at all make a constant."""
        if not len(values):
            return cls(center=0.0, factor=0.0, bounded=scaling == "robust")
        if scaling == "standard":
            center, spread = float(values.mean()), float(values.std())
        else:
            low, first, center, third, high = map(float, np.quantile(values, (0, 0.25, 0.5, 0.75, 1)))
            spread = third - first or (high - low) / 2
        constant = values.min() == values.max() or spread < np.finfo(np.float64).tiny
        return cls(center=center, factor=0.0 if constant else 1 / spread, bounded=scaling == "robust")

    @property
    def is_constant(self) -> bool:
        """Whether the values that it was fitted to were all the same."""
        return self.factor == 0

    def __call__(self, values: Array) -> Array:
        """Scale values, in float64."""
        with np.errstate(over="ignore"):  # what is beyond float64 is clipped like anything far away
            u: Array = np.clip(self.factor * (values - self.center), -FARTHEST, FARTHEST)
        if self.bounded:
            u /= np.sqrt(1 + (u / 3) ** 2)
        return u


class QuantileScale(Spec):
    """Give numbers a normal distribution: z = the normal's quantile of the share of training values below x.

    The share runs in lines between at most 1000 quantiles, one for 30 rows; a value that is itself several
    quantiles gets the middle of their shares. z stays within +-5.2, the quantiles of 1e-7 and 1 - 1e-7. A constant
    is 0. As scikit-learn's QuantileTransformer, but for a smallest or largest value that occurs often, which goes to
    the very end there.
    """

    quantiles: tuple[float, ...] = Field(min_length=1, description="The different ones, ascending.")
    repeats: tuple[int, ...] = Field(description="How many quantiles each of them is.")

    @classmethod
    def fit(cls, values: Array, most: int = MOST_QUANTILES) -> "QuantileScale":
        """Fit to values without missing ones; none at all make a constant."""
        if not len(values):
            return cls(quantiles=(0.0,), repeats=(1,))
        wanted = max(min(len(values) // ROWS_A_QUANTILE, most), FEWEST_QUANTILES)
        quantiles, repeats = np.unique(np.quantile(values, np.linspace(0, 1, wanted)), return_counts=True)
        return cls(quantiles=tuple(quantiles.tolist()), repeats=tuple(repeats.tolist()))

    @property
    def is_constant(self) -> bool:
        """Whether the values that it was fitted to were all the same."""
        return len(self.quantiles) == 1

    @cached_property
    def _nodes(self) -> tuple[Array, Array]:
        """The quantiles, each as often as it occurs, and their shares."""
        quantiles = np.repeat(np.array(self.quantiles), self.repeats)
        return quantiles, np.linspace(0, 1, len(quantiles))

    def __call__(self, values: Array) -> Array:
        """Scale values, in float64."""
        if self.is_constant:
            return np.zeros(len(values))
        quantiles, shares = self._nodes
        # From either side, since of equal quantiles one way takes the first and the other the last.
        above = np.interp(values, quantiles, shares)
        below = np.interp(-values, -quantiles[::-1], -shares[::-1])
        z: Array = np.interp((above - below) / 2, _SHARES, _LEVELS)
        return z


def shares_and_levels() -> tuple[Array, Array]:
    """The normal distribution as `QuantileScale` takes it: shares, ascending, and their quantiles."""
    return _SHARES, _LEVELS


AnyScale = Scale | QuantileScale
FitScale = Callable[[Array], AnyScale]
"""Makes the scale of a column of numbers from its values."""
