"""Positional encoding: tells a layer that treats all steps alike where each of them stands."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, NormalSpec
from engine.layers.base import Layer
from engine.layers.recurrent.masking import SeriesSpec, StepMask


class PositionalEncodingSpec(SeriesSpec):
    """Adds to each step of a series a vector that belongs to its position.

    sinusoidal: waves of wavelengths from 2 pi to 20000 pi steps, so that a shift by some steps is the same
    rotation everywhere. learned: parameters.
    """

    formula: ClassVar[str] = (
        r"y_t = x_t + P_t, \quad P_{t,2i} = \sin\frac{t}{10000^{2i/F}}, \quad"
        r" P_{t,2i+1} = \cos\frac{t}{10000^{2i/F}} \quad \text{or learned}"
    )
    source: ClassVar[str] = "Vaswani et al. 2017, Attention is all you need, section 3.5"

    kind: Literal["positional_encoding"] = "positional_encoding"
    encoding: Literal["sinusoidal", "learned"] = Field(
        "sinusoidal", description="Whether the vectors are waves or parameters."
    )
    position_initializer: AnyInitializer = Field(
        NormalSpec(std=0.02), description="How learned vectors start."
    )

    def build(self, in_shape: Shape) -> "PositionalEncoding":
        """Build for a series; raises `InvalidSpec` for other rows."""
        self.check(in_shape)
        layer = LearnedPositions if self.encoding == "learned" else PositionalEncoding
        return layer(self, in_shape)


class PositionalEncoding(Layer):
    """y = x + P, with P (steps, features) of sines and cosines."""

    def __init__(self, spec: PositionalEncodingSpec, shape: Shape) -> None:
        super().__init__(shape, shape)
        self.spec = spec
        self._mask: StepMask | None = spec.mask(shape)

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
        """Allocate y and P."""
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._P = self.positions(params, dtype)
        if self._mask:
            self._mask.bind(batch)

    def positions(self, params: Mapping[str, Array], dtype: np.dtype[np.floating]) -> Array:
        """P_(t,2i) = sin(t / 10000^(2i/F)), P_(t,2i+1) = cos(t / 10000^(2i/F))."""
        steps, features = self.in_shape
        table = np.empty((steps, features), dtype)
        step = np.arange(steps)
        for f in range(features):
            wave = np.cos if f % 2 else np.sin
            table[:, f] = wave(step / 10000 ** ((f - f % 2) / features))
        return table

    def forward(self, x: Array, train: bool) -> Array:
        """y_t = x_t + P_t; padding stays as it is."""
        y = self._y[: len(x)]
        np.add(x, self._P, out=y)
        if self._mask:
            self._mask.find(x)
            self._mask.restore(y)
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dx = dC/dy."""
        if self._mask:
            self._mask.silence(dy)
        return dy

    def buffer_values(self) -> int:
        """y and the masks."""
        return size(self.out_shape) + (self._mask.buffer_values() if self._mask else 0)

    def fixed_values(self) -> int:
        """P."""
        return size(self.out_shape)


class LearnedPositions(PositionalEncoding):
    """y = x + P, with P (steps, features) of parameters; they are not decayed."""

    def __init__(self, spec: PositionalEncodingSpec, shape: Shape) -> None:
        super().__init__(spec, shape)
        self.param_shapes = {"P": shape}

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
        """Allocate also the row of ones that sums dP."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        self._dP = grads["P"]
        self._ones = np.ones(batch, dtype)

    def positions(self, params: Mapping[str, Array], dtype: np.dtype[np.floating]) -> Array:
        """The parameters themselves."""
        return params["P"]

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw P; each output has one of them."""
        self.spec.position_initializer.fill(self._P, 1, 1, rng)

    def backward(self, dy: Array) -> Array:
        """dP_t = sum_rows delta_t; dC/dx = dC/dy."""
        dy = super().backward(dy)
        rows = len(dy)
        np.dot(self._ones[:rows], dy.reshape(rows, -1), out=self._dP.reshape(-1))
        return dy

    def buffer_values(self) -> int:
        """Also the row of ones."""
        return super().buffer_values() + 1

    def fixed_values(self) -> int:
        """None: P is a parameter."""
        return 0
