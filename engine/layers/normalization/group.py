"""Group normalisation: the moments of a group of channels over the positions of a row."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape
from engine.layers.normalization.base import NormalizationSpec
from engine.layers.normalization.position import PositionNormalization
from engine.spec import InvalidSpec


class GroupNormalizationSpec(NormalizationSpec):
    """Gives each group of neighbouring channels mean 0 and variance 1 over all positions of a row.

    It does not depend on the other rows, so it also suits small batches. One group normalises the whole
    row; as many groups as channels is instance normalisation.
    """

    formula: ClassVar[str] = (
        r"y_c = \gamma_c \frac{x_c - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}} + \beta_c, \quad"
        r" \mu_g, \sigma_g^2 \text{ over all positions and all channels of } c \text{'s group } g"
    )
    source: ClassVar[str] = "Wu & He 2018, Group normalization, eq. 1 to 3 and 7"

    kind: Literal["group_normalization"] = "group_normalization"
    groups: PositiveInt = Field(
        32, description="Number of groups; it must divide the number of channels, the last axis."
    )

    def build(self, in_shape: Shape) -> "GroupNormalization":
        """Build for rows with at least one axis; raises `InvalidSpec` where `groups` does not divide the last."""
        self.check(in_shape)
        if in_shape[-1] % self.groups:
            raise InvalidSpec(
                f"{in_shape[-1]} channels cannot be put into {self.groups} groups of the same size; "
                "the number of groups must divide the number of channels",
                ("groups",),
            )
        return GroupNormalization(in_shape, self.epsilon, self.groups)


class GroupNormalization(PositionNormalization):
    """A set is a row; the channels of a group share their moments."""

    row_sets = True

    def __init__(self, shape: Shape, epsilon: float, groups: int) -> None:
        super().__init__(shape, epsilon)
        self._groups = groups

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
        """Allocate also one number for each group of each row."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._group_sum = np.empty((batch, self._groups, 1), dtype)

    def share(self, sums: Array, blocks: Array) -> None:
        """Give every channel of a group the mean of the group."""
        super().share(sums, blocks)
        grouped, group_sum = sums.reshape(len(sums), self._groups, -1), self._group_sum[: len(sums)]
        np.add.reduce(grouped, axis=-1, keepdims=True, out=group_sum)
        np.divide(group_sum, grouped.shape[-1], out=grouped)

    def buffer_values(self) -> int:
        """Also one number for each group."""
        return super().buffer_values() + self._groups
