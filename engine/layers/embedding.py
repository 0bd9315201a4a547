"""Embedding: whole numbers become learned vectors."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, NormalSpec
from engine.layers.base import Layer, LayerSpec, mask_values

LARGEST_SIZE = 2**24
"""A float32 holds every whole number up to here."""


class EmbeddingSpec(LayerSpec):
    """Looks up a learned vector for each id, a whole number such as that of a word or a category.

    What is not an id (negative, too large, not a whole number) counts as id 0, the unknown.
    """

    formula: ClassVar[str] = r"y_{td} = W_{x_t d}"
    source: ClassVar[str] = "Bengio et al. 2003, A neural probabilistic language model, section 2"

    kind: Literal["embedding"] = "embedding"
    size: int = Field(
        ge=1, le=LARGEST_SIZE, description="Number of ids: the whole numbers from 0 to `size` - 1."
    )
    dimension: PositiveInt = Field(description="Length of the vectors.")
    zero_is_padding: bool = Field(
        False,
        description="Whether id 0 stands for padding: then its vector is all zeros and learns nothing, so that "
        "layers with `mask_value` 0 leave it out.",
    )
    weight_initializer: AnyInitializer = Field(NormalSpec(std=1.0), description="How the vectors start.")

    def build(self, in_shape: Shape) -> "Embedding":
        """Build for rows of any shape: each number becomes a vector along a new last axis."""
        return Embedding(self, in_shape)


class IdLayer(Layer):
    """What layers that look up a vector W_id (dimension,) for each id have in common."""

    def __init__(self, ids: int, dimension: int, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__(in_shape, out_shape)
        self.param_shapes = {"W": (ids, dimension)}

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
        """Allocate y, dx, the ids as floats and as indices, and two masks."""
        self._W, self._dW = params["W"], grads["W"]
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._known = np.empty_like(self._dx)
        self._ids = np.empty(self._dx.shape, np.intp)
        self._is_id = np.empty(self._dx.shape, np.bool_)
        self._condition = np.empty_like(self._is_id)

    def find_ids(self, x: Array, ids: NDArray[np.intp]) -> None:
        """Fill `ids` with x where it is a whole number from 0 to size - 1, with 0 elsewhere (NaN too)."""
        known, is_id, condition = (a[: len(x)] for a in (self._known, self._is_id, self._condition))
        np.equal(np.floor(x, out=known), x, out=is_id)
        is_id &= np.greater_equal(x, 0, out=condition)
        is_id &= np.less(x, len(self._W), out=condition)
        known.fill(0)
        np.copyto(known, x, where=is_id)
        np.copyto(ids, known, casting="unsafe")

    def no_slope(self, rows: int) -> Array:
        """dC/dx = 0: ids have no gradient."""
        dx = self._dx[:rows]
        dx.fill(0)
        return dx

    def buffer_values(self) -> int:
        """y and dx, the ids as floats and as indices of 8 bytes, and the masks."""
        values = size(self.in_shape)
        return super().buffer_values() + 3 * values + mask_values(2 * values)


class Embedding(IdLayer):
    """y = W[x] with W (size, dimension). Ids have no gradient: dC/dx = 0."""

    def __init__(self, spec: EmbeddingSpec, in_shape: Shape) -> None:
        super().__init__(spec.size, spec.dimension, in_shape, (*in_shape, spec.dimension))
        self.spec = spec

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W; one id at a time is the input of an output."""
        self.spec.weight_initializer.fill(self._W, 1, self.spec.dimension, rng)

    def forward(self, x: Array, train: bool) -> Array:
        """y_td = W_(x_t)d."""
        y, ids = self._y[: len(x)], self._ids[: len(x)]
        self.find_ids(x, ids)
        np.take(self._W, ids, axis=0, out=y, mode="clip")  # ids are in range; "raise" would copy y
        if self.spec.zero_is_padding:
            np.copyto(y, 0, where=np.equal(ids, 0, out=self._condition[: len(x)])[..., None])
        return y

    def backward(self, dy: Array) -> Array:
        """dW_id = sum of delta_t over all t with x_t = id; dC/dx = 0."""
        self._dW.fill(0)
        ids = self._ids[: len(dy)].reshape(-1)
        # Column by column: np.add.at is quick (3 ns a value) on single axes alone, and takes 4 times as long on rows.
        for dw, delta in zip(self._dW.T, dy.reshape(-1, self.spec.dimension).T, strict=True):
            np.add.at(dw, ids, delta)
        if self.spec.zero_is_padding:
            self._dW[0] = 0
        return self.no_slope(len(dy))
