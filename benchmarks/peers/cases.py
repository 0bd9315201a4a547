"""The trainings that engines are compared on: a network in neutral words, its data, and its batch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Part = tuple[str, *tuple[int | str, ...]]
"""("dense", units) | ("relu",) | ("conv", filters, kernel, padding) | ("pool",) | ("flatten",) | ("lstm", units)"""


@dataclass(frozen=True)
class Case:
    parts: tuple[Part, ...]
    in_shape: tuple[int, ...]  # images as (height, width, channels), series as (steps, features)
    outputs: int
    batch: int
    rows: int
    classes: bool = True  # cross-entropy on classes; else the mean squared error of values

    def data(self) -> tuple[Floats, NDArray[np.int64] | Floats]:
        """x (rows, *in_shape), and each row's class (rows,) or values (rows, outputs)."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, *self.in_shape), np.float32)
        if self.classes:
            return x, rng.integers(0, self.outputs, self.rows)
        weights = rng.standard_normal((x[0].size, self.outputs), np.float32)
        return x, np.tanh(x.reshape(self.rows, -1) @ weights)


def mlp(*units: int) -> tuple[Part, ...]:
    hidden = [part for width in units[:-1] for part in (("dense", width), ("relu",))]
    return (*hidden, ("dense", units[-1]))


LENET = (
    *(("conv", 6, 5, "same"), ("relu",), ("pool",)),
    *(("conv", 16, 5, "valid"), ("relu",), ("pool",)),
    ("flatten",),
    *mlp(120, 84, 10),
)
CIFAR = (
    *(("conv", 32, 3, "same"), ("relu",), ("conv", 32, 3, "same"), ("relu",), ("pool",)),
    *(("conv", 64, 3, "same"), ("relu",), ("conv", 64, 3, "same"), ("relu",), ("pool",)),
    ("flatten",),
    *mlp(128, 10),
)

CASES = {
    "a: 100-50-10": Case(mlp(50, 10), (100,), 10, batch=32, rows=1_000),
    "b: 784-256-128-10": Case(mlp(256, 128, 10), (784,), 10, batch=128, rows=60_000),
    "c: 1024-2048-2048-10": Case(mlp(2048, 2048, 10), (1024,), 10, batch=256, rows=10_000),
    "d: 30-64-64-1": Case(mlp(64, 64, 1), (30,), 1, batch=256, rows=50_000, classes=False),
    "LeNet-like": Case(LENET, (28, 28, 1), 10, batch=64, rows=6_400),
    "CIFAR-like": Case(CIFAR, (32, 32, 3), 10, batch=64, rows=1_280),
    "LSTM": Case((("lstm", 64), ("dense", 10)), (32, 16), 10, batch=64, rows=6_400),
}
