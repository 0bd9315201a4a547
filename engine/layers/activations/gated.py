"""Gated linear units: one half of the last axis decides how much of the other half passes."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, GlorotUniformSpec
from engine.layers.activations.base import ActivationSpec, SigmoidSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.activations.smooth_rectifiers import GeluSpec, SiluSpec
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec

SHAZEER = "Shazeer 2020, GLU variants improve transformer, eq. 5"


class GatedSpec(LayerSpec):
    """What gated units have in common: the activation of their gate."""

    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()

    kind: str
    gate: ClassVar[ActivationSpec]

    def build(self, in_shape: Shape) -> "Gated":
        """Build for rows whose last axis is even, which it halves; raises `InvalidSpec` for others."""
        if not in_shape or in_shape[-1] % 2:
            raise InvalidSpec(
                f"{self.kind} halves the last axis, which must be even, "
                f"but rows of shape {list(in_shape)} come in"
            )
        return Gated(in_shape, self.gate)


class GluSpec(GatedSpec):
    """The first half of the last axis, times the sigmoid of the second half."""

    gate: ClassVar[ActivationSpec] = SigmoidSpec()
    formula: ClassVar[str] = r"y = a \odot \sigma(b), \quad x = [a, b]"
    source: ClassVar[str] = "Dauphin et al. 2017, Language modeling with gated convolutional networks, eq. 1"

    kind: Literal["glu"] = "glu"


class RegluSpec(GatedSpec):
    """The first half of the last axis, times the ReLU of the second half."""

    gate: ClassVar[ActivationSpec] = ReluSpec()
    formula: ClassVar[str] = r"y = a \odot \max(0, b), \quad x = [a, b]"
    source: ClassVar[str] = SHAZEER

    kind: Literal["reglu"] = "reglu"


class GegluSpec(GatedSpec):
    """The first half of the last axis, times the GELU of the second half."""

    gate: ClassVar[ActivationSpec] = GeluSpec()
    formula: ClassVar[str] = r"y = a \odot \mathrm{GELU}(b), \quad x = [a, b]"
    source: ClassVar[str] = SHAZEER

    kind: Literal["geglu"] = "geglu"


class SwigluSpec(GatedSpec):
    """The first half of the last axis, times the SiLU (swish) of the second half."""

    gate: ClassVar[ActivationSpec] = SiluSpec()
    formula: ClassVar[str] = r"y = a \odot b \, \sigma(b), \quad x = [a, b]"
    source: ClassVar[str] = SHAZEER

    kind: Literal["swiglu"] = "swiglu"


class Gated(Layer):
    """y = a * f(b), where a and b are the halves of x along its last axis."""

    def __init__(self, in_shape: Shape, gate: ActivationSpec) -> None:
        half = in_shape[-1] // 2
        super().__init__(in_shape, (*in_shape[:-1], half))
        self._gate = gate.build(self.out_shape)
        self._a, self._b = (..., slice(half)), (..., slice(half, None))

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
        """Allocate y, dx, a copy of b, the gate's gradient, and what the gate needs."""
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._copy = np.empty_like(self._y)
        self._d_gate = np.empty_like(self._y)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._gate.bind({}, {}, {}, batch=batch, dtype=dtype, rng=rng)

    def forward(self, x: Array, train: bool) -> Array:
        """y = a f(b)."""
        self._x = x
        b = self._copy[: len(x)]
        np.copyto(b, x[self._b])
        self._opened = self._gate.forward(b, train)
        return np.multiply(x[self._a], self._opened, out=self._y[: len(x)])

    def backward(self, dy: Array) -> Array:
        """dC/da = dC/dy f(b); dC/db = dC/dy a f'(b)."""
        dx, d_gate = self._dx[: len(dy)], self._d_gate[: len(dy)]
        np.multiply(dy, self._opened, out=dx[self._a])
        np.multiply(dy, self._x[self._a], out=d_gate)
        np.copyto(dx[self._b], self._gate.backward(d_gate))
        return dx

    def buffer_values(self) -> int:
        """y, dx, the copy, the gate's gradient and the gate's own."""
        return super().buffer_values() + 2 * size(self.out_shape) + self._gate.buffer_values()
