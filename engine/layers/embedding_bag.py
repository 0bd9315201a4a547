"""Embedding bag: a few whole numbers, such as those of a text's words, become one learned vector."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, NormalSpec
from engine.layers.base import LayerSpec
from engine.layers.embedding import LARGEST_SIZE, IdLayer
from engine.spec import InvalidSpec


class EmbeddingBagSpec(LayerSpec):
    """The mean or the sum of the learned vectors of all ids along the last axis, whatever their order.

    Id 0 stands for no id: it is left out, and so is what is not an id (negative, too large, not a whole number).
    A bag without any id is all zeros.
    """

    formula: ClassVar[str] = (
        r"y_d = \frac{1}{|T|} \sum_{t \in T} W_{x_t d}, \quad T = \{t : x_t \ne 0\}; "
        r"\quad \text{sum: without } \frac{1}{|T|}"
    )
    source: ClassVar[str] = "Joulin et al. 2017, Bag of tricks for efficient text classification, section 2"

    kind: Literal["embedding_bag"] = "embedding_bag"
    size: int = Field(
        ge=1, le=LARGEST_SIZE, description="Number of ids: the whole numbers from 0 to `size` - 1."
    )
    dimension: PositiveInt = Field(description="Length of the vectors.")
    combine: Literal["mean", "sum"] = Field("mean", description="What becomes of the vectors of a bag.")
    weight_initializer: AnyInitializer = Field(NormalSpec(std=1.0), description="How the vectors start.")

    def build(self, in_shape: Shape) -> "EmbeddingBag":
        """Build for rows whose last axis is a bag; raises `InvalidSpec` for single numbers."""
        if not in_shape:
            raise InvalidSpec("embedding_bag takes rows with an axis of ids, but single numbers come in")
        return EmbeddingBag(self, in_shape)


class EmbeddingBag(IdLayer):
    """y = s sum_t W[x_t] over the x_t that are not 0; s = 1, or 1 / their number. Ids have no gradient: dC/dx = 0."""

    def __init__(self, spec: EmbeddingBagSpec, in_shape: Shape) -> None:
        super().__init__(spec.size, spec.dimension, in_shape, (*in_shape[:-1], spec.dimension))
        self.spec = spec

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
        """Allocate also the vectors of all ids, the factors s of the bags, and a slope for each id."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._vectors = np.empty((batch, *self.in_shape, self.spec.dimension), dtype)
        self._factors = np.empty((batch, *self.in_shape[:-1], 1), dtype)
        self._slopes = np.empty((batch, *self.in_shape), dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W; one id at a time is the input of an output."""
        self.spec.weight_initializer.fill(self._W, 1, self.spec.dimension, rng)

    def forward(self, x: Array, train: bool) -> Array:
        """y_d = s sum_t W_(x_t)d."""
        rows = len(x)
        y, ids, vectors, factors = (
            self._y[:rows],
            self._ids[:rows],
            self._vectors[:rows],
            self._factors[:rows],
        )
        self.find_ids(x, ids)
        np.take(self._W, ids, axis=0, out=vectors, mode="clip")  # ids are in range; "raise" would copy
        none = np.equal(ids, 0, out=self._condition[:rows])
        np.copyto(vectors, 0, where=none[..., None])
        np.add.reduce(vectors, axis=-2, out=y)
        if self.spec.combine == "mean":
            there = np.logical_not(none, out=none)
            np.add.reduce(there, axis=-1, out=factors, dtype=factors.dtype, keepdims=True)
            np.maximum(factors, 1, out=factors)
            np.divide(1, factors, out=factors)
            y *= factors
        return y

    def backward(self, dy: Array) -> Array:
        """dW_id = the sum of s delta over all bags and all t with x_t = id; dC/dx = 0."""
        rows = len(dy)
        if self.spec.combine == "mean":
            dy *= self._factors[:rows]
        self._dW.fill(0)
        ids, slopes = self._ids[:rows].reshape(-1), self._slopes[:rows]
        # Column by column, as an embedding does
        for column, dw in enumerate(self._dW.T):
            np.copyto(slopes, dy[..., column, None])
            np.add.at(dw, ids, slopes.reshape(-1))
        self._dW[0] = 0
        return self.no_slope(rows)

    def buffer_values(self) -> int:
        """Also the vectors, the factors and the slopes."""
        ids = size(self.in_shape)
        own = ids * (self.spec.dimension + 1) + size(self.in_shape[:-1])
        return super().buffer_values() + own
