"""What the normalisations share: y = gamma x^ + beta, with one gamma and one beta a channel (the last axis).

NumPy works slowly on short rows, so the arrays are seen as blocks: each holds the channels of a run of
neighbouring positions, and what belongs to a channel is repeated along it.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec

SHORT_BLOCK, LONG_BLOCK = 256, 4096
"""Values that make a block worth its while, and those above which a longer one gains nothing."""


class NormalizationSpec(LayerSpec):
    """What the normalisations' specs share."""

    epsilon: float = Field(
        1e-5, ge=1e-8, le=1, description="Added to the variance, so that constant values do not divide by 0."
    )

    def check(self, in_shape: Shape) -> None:
        """Raise `InvalidSpec` for rows without a last axis."""
        if not in_shape:
            raise InvalidSpec(f"{self.kind} takes rows with at least one axis, but single numbers come in")


class Normalization(Layer):
    """The parameters, the blocks, and sums over all positions of a set of rows."""

    row_sets: ClassVar[bool] = False
    """Whether each row is a set of its own; otherwise all rows are one set."""
    shifts: ClassVar[bool] = True
    """Whether there is a beta."""

    def __init__(self, shape: Shape, epsilon: float) -> None:
        super().__init__(shape, shape)
        self.epsilon = epsilon
        self.channels = shape[-1]
        self.run = _run(size(shape[:-1]), self.channels)
        self.width = self.run * self.channels
        self.row_blocks = size(shape) // self.width
        names = ("gamma", "beta") if self.shifts else ("gamma",)
        self.param_shapes = dict.fromkeys(names, (self.channels,))

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
        """Allocate y, one array for intermediate values, and what the sums need."""
        self._gamma, self._dgamma = params["gamma"], grads["gamma"]
        if self.shifts:
            self._beta, self._dbeta = params["beta"], grads["beta"]
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._t = np.empty_like(self._y)
        sets, blocks = (batch, self.row_blocks) if self.row_sets else (1, batch * self.row_blocks)
        self._ones, self._run_ones = np.ones((1, blocks), dtype), np.ones((1, self.run), dtype)
        self._block_sum, self._block = (np.empty((sets, 1, self.width), dtype) for _ in range(2))

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """gamma = 1, beta = 0."""
        self._gamma.fill(1)
        if self.shifts:
            self._beta.fill(0)

    def blocks(self, values: Array) -> Array:
        """`values` (rows, *shape) seen as (sets, blocks, width)."""
        return values.reshape(len(values) if self.row_sets else 1, -1, self.width)

    def channel_sums(self, blocks: Array, out: Array) -> Array:
        """Fill `out` (sets, channels) with the sums over the positions of a set, by dot with ones."""
        sets, count, _ = blocks.shape
        block_sum = self._block_sum[:sets]
        np.matmul(self._ones[:, :count], blocks, out=block_sum)
        np.matmul(self._run_ones, block_sum.reshape(sets, self.run, self.channels), out=out[:, None])
        return out

    def repeated(self, values: Array) -> Array:
        """`values` (sets, channels) as (sets, 1, width), valid until the next call."""
        sets = len(values)
        block = self._block[:sets]
        np.copyto(block.reshape(sets, self.run, self.channels), values[:, None])
        return block

    def multiply_adds(self) -> int:
        """One a value."""
        return size(self.out_shape)

    def buffer_values(self) -> int:
        """y, the intermediate values, and what the sums need for each row."""
        return 2 * size(self.out_shape) + (2 * self.width if self.row_sets else self.row_blocks)

    def fixed_values(self) -> int:
        """What the sums need whatever the batch."""
        return self.run + (self.row_blocks if self.row_sets else 2 * self.width)


def _run(positions: int, channels: int) -> int:
    """How many neighbouring positions make a block: a divisor of `positions`."""
    runs = range(-(-SHORT_BLOCK // channels), LONG_BLOCK // channels + 1)
    all_or_one = positions if positions * channels <= LONG_BLOCK else 1
    return next((run for run in runs if positions % run == 0), all_or_one)
