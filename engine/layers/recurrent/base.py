"""What recurrent layers share: a state h that is carried along a series, from one step to the next.

Inside, everything is feature-major, (features, rows). The columns of `hx` that belong to a step are [h; x; 1], so
that one product with A = [U; W; b] makes all pre-activations z of the step, and one over all steps makes dC/dA.
The columns of A that belong to sigmoid gates are negated, as 1 / (1 + e^-z) starts from -z.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape, size
from engine.initializers import AnyInitializer, GlorotUniformSpec, OrthogonalSpec
from engine.layers.base import Layer, WeightedSpec, mask_values


class RecurrentSpec(WeightedSpec):
    """A layer that reads a series step by step."""

    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()

    units: PositiveInt = Field(description="Size of the state h, which is also the output.")
    return_sequences: bool = Field(
        False, description="Whether to put out the state after every step instead of the last one alone."
    )
    backwards: bool = Field(
        False,
        description="Whether to read from the last step to the first. Outputs stay at the places of their steps.",
    )
    mask_value: float | None = Field(
        None,
        ge=-1e9,
        le=1e9,
        description="A step whose features all have this value is padding: the state passes it unchanged. With "
        "padding before the series, the outputs there are 0, and a recurrent layer on top may mask those.",
    )
    weight_initializer: AnyInitializer = Field(
        GlorotUniformSpec(), description="How W starts, the block of each gate by itself."
    )
    recurrent_initializer: AnyInitializer = Field(
        OrthogonalSpec(), description="How U starts, the block of each gate by itself."
    )


class Recurrent(Layer):
    """The walk over the steps, there and back; a subclass knows what happens in one of them.

    Steps are counted in the order of reading. W (features, gates * units), U (units, gates * units) and
    b (blocks * units) have a block of columns for each gate.
    """

    decayed = frozenset({"W", "U"})
    gates: ClassVar[int]
    """Blocks of W and of U."""
    blocks: ClassVar[int]
    """Blocks of b and of the pre-activations z."""
    sigmoids: ClassVar[int]
    """How many of these, from the first on, belong to sigmoid gates."""
    states: ClassVar[int] = 1
    """Vectors that go from step to step: h, and maybe more."""

    forth: tuple[Array, ...]
    """Arrays over the steps, of which `step` gets what belongs to its step."""
    back: tuple[Array, ...]
    """The same for `step_back`."""

    def __init__(self, spec: RecurrentSpec, in_shape: Shape) -> None:
        (steps, features), units = in_shape, spec.units
        super().__init__(in_shape, (steps, units) if spec.return_sequences else (units,))
        self.spec, self.steps, self.features, self.units = spec, steps, features, units
        inputs, columns = units + features + 1, self.blocks * units
        self.param_shapes = {
            "W": (features, self.gates * units),
            "U": (units, self.gates * units),
            "b": (columns,),
        }
        self.A_shape = (inputs, columns)
        self.buffer_shapes: dict[str, Shape] = {
            "hx": (inputs, steps + 1),
            "z": (steps, columns),
            "dz": (columns, steps),
            "dz_of_step": (columns,),
            "d_state": (self.states, units),
            "d_state_kept": (self.states, units),
            "t": (units,),
            "dx": (features, steps),
        }
        """Shapes of the feature-major buffers without their last axis, the rows."""
        self._order = slice(None, None, -1 if spec.backwards else 1)

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
        """Allocate for all steps, as the gradient needs what happened in each."""
        self._W, self._U, self._b = params["W"], params["U"], params["b"]
        self._dW, self._dU, self._db = grads["W"], grads["U"], grads["b"]
        self._A, self._dA = np.zeros(self.A_shape, dtype), np.empty(self.A_shape, dtype)
        self._A_of_h, self._A_of_x = self._A[: self.units], self._A[self.units : -1]
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        if self.spec.mask_value is not None:
            self._masked = np.empty((batch, *self.in_shape), np.bool_)
            self._padded = np.empty((batch, self.steps), np.bool_)
        self._memory = {
            name: np.empty(size(shape) * batch, dtype) for name, shape in self.buffer_shapes.items()
        }
        self._fit(batch)

    def _fit(self, rows: int) -> None:
        """Shape the buffers for `rows`: contiguous whatever their number."""
        self._rows = rows
        self.take(
            {
                name: self._memory[name][: size(shape) * rows].reshape(*shape, rows)
                for name, shape in self.buffer_shapes.items()
            }
        )

    def take(self, buffers: Mapping[str, Array]) -> None:
        """Take the buffers and write what is constant: the first h is 0, and 1 is the input of b.

        A subclass sets `forth` and `back` as well.
        """
        self._hx, self._x = buffers["hx"], buffers["hx"][self.units : -1, :-1]
        self._h = self._hx[: self.units].swapaxes(0, 1)
        self._h[0] = 0
        self._hx[-1] = 1
        self._z, self._dz, self._dz_of_step = buffers["z"], buffers["dz"], buffers["dz_of_step"]
        self._gates = self._z.reshape(self.steps, self.blocks, self.units, -1)
        self._d_gates = self._dz_of_step.reshape(self.blocks, self.units, -1)
        self._d_state, self._d_state_kept = buffers["d_state"], buffers["d_state_kept"]
        self._t, self._dx_by_feature = buffers["t"], buffers["dx"]

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W, U and b, each gate's block as if it were a layer."""
        spec, features, units = self.spec, self.features, self.units
        for block in np.split(self._W, self.gates, axis=1):
            spec.weight_initializer.fill(block, features, units, rng)
        for block in np.split(self._U, self.gates, axis=1):
            spec.recurrent_initializer.fill(block, units, units, rng)
        spec.bias_initializer.fill(self._b, features, units, rng)

    def pack(self) -> None:
        """A = [U; W; b]."""
        self._A_of_h[...], self._A_of_x[...], self._A[-1] = self._U, self._W, self._b

    def unpack(self) -> None:
        """[dU; dW; db] = dA."""
        dA, units = self._dA, self.units  # noqa: N806 - as in the formulas
        self._dU[...], self._dW[...], self._db[...] = dA[:units], dA[units:-1], dA[-1]

    def step(self, *arrays: Array) -> None:
        """Make the state after a step of the one before and of z, in whose place the gates stay."""
        raise NotImplementedError

    def step_back(self, *arrays: Array) -> None:
        """Fill `_dz_of_step`, and turn `_d_state` from dC/d(state after) into dC/d(state before)."""
        raise NotImplementedError

    def hold(self, s: int, padded: NDArray[np.bool_]) -> None:
        """Where step s is padding, the state after it is the one before."""
        np.copyto(self._t, self._h[s])  # NumPy would make a copy of its own, as both are of one array
        np.copyto(self._h[s + 1], self._t, where=padded)

    def forward(self, x: Array, train: bool) -> Array:
        """z_s = A^T [h_(s-1); x_s; 1], step by step."""
        if len(x) != self._rows:
            self._fit(len(x))
        self.pack()
        self._negate_sigmoids(self._A)
        np.copyto(self._x, x.T[:, self._order])
        self._padded_steps = padded = self._padding(x)
        A_T, inputs = self._A.T, self._hx.swapaxes(0, 1)  # noqa: N806 - as in the formula
        with np.errstate(over="ignore"):  # in e^-z: 1 / (1 + e^-z) is 0 then
            for s, arrays in enumerate(zip(*self.forth, strict=True)):
                np.matmul(A_T, inputs[s], out=self._z[s])
                self.step(*arrays)
                if padded is not None:
                    self.hold(s, padded[s])
        y = self._y[: self._rows]
        if self.spec.return_sequences:
            np.copyto(y, self._h[1:].transpose(2, 0, 1)[:, self._order])
        else:
            np.copyto(y, self._h[-1].T)
        return y

    def backward(self, dy: Array) -> Array:
        """Backpropagation through time: dA = sum_s [h_(s-1); x_s; 1] dz_s^T; dx_s = W dz_s."""
        padded, dh, sequences = self._padded_steps, self._d_state[0], self.spec.return_sequences
        self._d_state.fill(0)
        if sequences:
            dy = dy[:, self._order]
        else:
            np.copyto(dh, dy.T)
        back = zip(*(array[::-1] for array in self.back), strict=True)
        for s, arrays in zip(reversed(range(self.steps)), back, strict=True):
            if sequences:
                dh += dy[:, s].T
            if padded is not None:
                np.copyto(self._d_state_kept, self._d_state)
            self.step_back(*arrays)
            if padded is not None:
                np.copyto(self._d_state, self._d_state_kept, where=padded[s])
                np.copyto(self._dz_of_step, 0, where=padded[s])
            np.copyto(self._dz[:, s], self._dz_of_step)
        inputs, dz = (array.reshape(len(array), -1) for array in (self._hx[:, :-1], self._dz))
        np.matmul(inputs, dz.T, out=self._dA)
        dx = self._dx[: self._rows]
        if self.input_gradient:
            np.matmul(self._A_of_x, dz, out=self._dx_by_feature.reshape(self.features, -1))
            np.copyto(dx, self._dx_by_feature.T[:, self._order])
        self._negate_sigmoids(self._dA)
        self.unpack()
        return dx

    def _negate_sigmoids(self, A: Array) -> None:  # noqa: N803 - as in the formulas
        columns = A[:, : self.sigmoids * self.units]
        np.negative(columns, out=columns)

    def _padding(self, x: Array) -> NDArray[np.bool_] | None:
        """Which rows are padding at each step, (steps, rows)."""
        if self.spec.mask_value is None:
            return None
        masked, padded = self._masked[: self._rows], self._padded[: self._rows]
        np.equal(x, self.spec.mask_value, out=masked)
        np.logical_and.reduce(masked, axis=2, out=padded)
        return padded.T[self._order]

    def buffer_values(self) -> int:
        """y and dx, the feature-major buffers, and the masks."""
        values = super().buffer_values() + sum(map(size, self.buffer_shapes.values()))
        if self.spec.mask_value is not None:
            values += mask_values(size(self.in_shape) + self.steps)
        return values

    def fixed_values(self) -> int:
        """A and dA."""
        return 2 * size(self.A_shape)

    def multiply_adds(self) -> int:
        """One a weight of W and U in each step."""
        return self.steps * (size(self.param_shapes["W"]) + size(self.param_shapes["U"]))


def sigmoid(minus_z: Array) -> None:
    """1 / (1 + e^-z), in place of -z; 0 where e^-z overflows."""
    np.exp(minus_z, out=minus_z)
    minus_z += 1
    np.divide(1, minus_z, out=minus_z)


def sigmoid_slope(a: Array, out: Array) -> None:
    """The derivative by -z: a (a - 1) = a^2 - a for a = sigmoid(z)."""
    np.square(a, out=out)
    out -= a


def tanh_slope(a: Array, out: Array) -> None:
    """The derivative by z: 1 - a^2 for a = tanh(z)."""
    np.square(a, out=out)
    np.subtract(1, out, out=out)
