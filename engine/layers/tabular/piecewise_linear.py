"""The piecewise-linear embedding: where in its range a number lies, said by one number a bin."""

from collections.abc import Mapping
from math import sqrt
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec, mask_values
from engine.spec import InvalidSpec

MOST_BINS = 4096
USUAL_RANGE = (-3.0, 3.0)
"""Where the edges are when no values tell: most of what a standardised feature takes."""
CONSTANT = 1e-8
"""Values within this of each other have no quantiles to tell apart."""
NARROWEST = 1e-6
"""The smallest width of a bin: as given, or as a share of the range of a feature's values."""

Edge = Annotated[float, Field(ge=-1e6, le=1e6)]


class PiecewiseLinearEmbeddingSpec(LayerSpec):
    """Turns each feature into a line plus a curve of straight pieces between quantiles of its values.

    The quantiles come from training rows; without any, or for a feature that is constant on them, the bins
    are equal ones from -3 to 3. Beyond the first and the last edge the curve is flat; it starts at 0.
    """

    formula: ClassVar[str] = (
        r"y = w x + b + p V, \quad p_j = \min\left(1, \max\left(0, \frac{x - e_j}{e_{j+1} - e_j}\right)\right),"
        r" \quad \text{for each feature } x"
    )
    source: ClassVar[str] = (
        "Gorishniy, Rubachev & Babenko 2022, On embeddings for numerical features in tabular deep learning, "
        "section 3.2; beside a line: Gorishniy, Kotelnikov & Babenko 2024, TabM"
    )

    kind: Literal["piecewise_linear_embedding"] = "piecewise_linear_embedding"
    units: int = Field(16, ge=1, le=4096, description="Numbers that a feature becomes.")
    bins: int = Field(
        48, ge=1, le=MOST_BINS, description="Number of bins a feature, fewer where quantiles are equal."
    )
    edges: tuple[Edge, ...] | None = Field(
        None,
        min_length=2,
        max_length=MOST_BINS + 1,
        description="Edges of the bins of every feature, ascending, in place of quantiles and `bins`.",
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.edges is not None and np.diff(self.edges).min() < NARROWEST:
            raise ValueError(f"each edge must be at least {NARROWEST} above the one before it")
        return self

    def build(self, in_shape: Shape) -> "PiecewiseLinearEmbedding":
        """Build for rows of one axis; raises `InvalidSpec` for others."""
        if len(in_shape) != 1:
            raise InvalidSpec(f"{self.kind} takes rows of one axis, features, but {list(in_shape)} comes in")
        return PiecewiseLinearEmbedding(self, in_shape[0])


def quantile_edges(x: Array, bins: int) -> Array:
    """The edges of bins that hold equally many of the values x (rows, features): (features, bins + 1).

    Bins that would be too narrow are left out; the last edge is repeated in their place. A feature without
    a range has equal bins over the usual one.
    """
    edges: Array = np.quantile(x, np.linspace(0, 1, bins + 1), axis=0).T.astype(x.dtype)
    for row in edges:
        spread = row[-1] - row[0]
        if spread <= CONSTANT:
            row[:] = np.linspace(*USUAL_RANGE, bins + 1)
            continue
        kept = row[np.diff(row, prepend=-np.inf) > NARROWEST * spread]
        row[: len(kept)] = kept
        row[len(kept) :] = kept[-1]
    return edges


class PiecewiseLinearEmbedding(Layer):
    """y = w x + b + p V of each feature. The edges are state; before `init` all are 0, and so is p."""

    decayed = frozenset({"V"})  # the source leaves the line as it is

    def __init__(self, spec: PiecewiseLinearEmbeddingSpec, features: int) -> None:
        super().__init__((features,), (features * spec.units,))
        self.spec = spec
        self._bins = spec.bins if spec.edges is None else len(spec.edges) - 1
        self._features, self._units = features, spec.units
        self.param_shapes = {
            "w": (features, spec.units),
            "b": (features, spec.units),
            "V": (features, self._bins, spec.units),
        }
        if spec.edges is None:
            self.state_shapes = {"edges": (features, self._bins + 1)}

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        state: Mapping[str, Array],
        *,
        batch: int,
        dtype: np.dtype[np.floating],
        rng: np.random.Generator,
    ) -> None:
        """Allocate p, y, the line, their gradients, and what the bins' slopes 1 / (e_(j+1) - e_j) take."""
        self._w, self._b, self._V = (params[name] for name in ("w", "b", "V"))
        self._dw, self._db, self._dV = (grads[name] for name in ("w", "b", "V"))
        self._edges = np.array([self.spec.edges], dtype) if self.spec.edges else state["edges"]
        self._slopes = np.empty((len(self._edges), self._bins), dtype)
        self._wide = np.empty(self._slopes.shape, np.bool_)
        self._p = np.empty((batch, self._features, self._bins), dtype)
        self._dp = np.empty_like(self._p)
        self._above, self._below = np.empty(self._p.shape, np.bool_), np.empty(self._p.shape, np.bool_)
        self._y = np.empty((batch, self._features, self._units), dtype)
        self._line = np.empty_like(self._y)
        self._dx, self._dx_line = (np.empty((batch, self._features), dtype) for _ in range(2))
        self._ones = np.ones(batch, dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """w, b ~ U(-r, r), r = 1 / sqrt(units); V = 0; edges at the quantiles of `x`."""
        r = 1 / sqrt(self._units)
        for line in (self._w, self._b):
            line[:] = rng.uniform(-r, r, line.shape)
        self._V.fill(0)
        if self.spec.edges is None:
            usual = np.linspace(*USUAL_RANGE, self._bins + 1)
            self._edges[:] = usual if x is None else quantile_edges(x, self._bins)

    def forward(self, x: Array, train: bool) -> Array:
        """p_j = (x - e_j) / (e_(j+1) - e_j), cut to [0, 1], and 0 in a bin without width; y = w x + b + p V."""
        self._x = x
        p, y, line = self._p[: len(x)], self._y[: len(x)], self._line[: len(x)]
        slopes = np.subtract(self._edges[:, 1:], self._edges[:, :-1], out=self._slopes)
        np.divide(1.0, slopes, out=slopes, where=np.greater(slopes, 0, out=self._wide))
        np.subtract(x[:, :, None], self._edges[:, :-1], out=p)
        p *= slopes
        np.clip(p, 0, 1, out=p)
        np.matmul(p.swapaxes(0, 1), self._V, out=y.swapaxes(0, 1))
        y += np.multiply(x[:, :, None], self._w, out=line)
        y += self._b
        return y.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        """dV = sum p dy; dw = sum x dy; db = sum dy; dC/dx = w dy + V dy / (e_(j+1) - e_j) inside bin j."""
        p, dp, rows = self._p[: len(dy)], self._dp[: len(dy)], slice(len(dy))
        np.dot(self._ones[rows], dy, out=self._db.reshape(-1))
        dy = dy.reshape(len(dy), self._features, self._units)
        by_feature = dy.swapaxes(0, 1)
        np.matmul(p.transpose(1, 2, 0), by_feature, out=self._dV)
        np.matmul(self._x.T[:, None], by_feature, out=self._dw[:, None])
        dx = self._dx[rows]
        if self.input_gradient:
            np.matmul(by_feature, self._V.swapaxes(1, 2), out=dp.swapaxes(0, 1))
            dp *= np.greater(p, 0, out=self._above[rows])
            dp *= np.less(p, 1, out=self._below[rows])
            np.vecdot(dp, self._slopes, out=dx)
            dx += np.vecdot(dy, self._w, out=self._dx_line[rows])
        return dx

    def buffer_values(self) -> int:
        """p, dp and two masks; y and the line; dx twice; and the row of ones."""
        bins = self._features * self._bins
        return 2 * (bins + size(self.out_shape) + self._features) + mask_values(2 * bins) + 1

    def fixed_values(self) -> int:
        """The slopes and their mask, and the edges where the spec gives them."""
        if self.spec.edges:
            return 2 * self._bins + 1 + mask_values(self._bins)
        return self._features * self._bins + mask_values(self._features * self._bins)

    def multiply_adds(self) -> int:
        """The place in each bin, the curve and the line."""
        return self._features * (self._bins + self._bins * self._units + self._units)
