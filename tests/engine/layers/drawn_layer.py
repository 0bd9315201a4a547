"""A layer whose random numbers the test chooses, or whose seed it does."""

from collections.abc import Sequence

import numpy as np

from engine.arrays import Array, Shape
from engine.layers import Layer, LayerSpec


class Chosen:
    """Stands in for a generator of uniform numbers: every row of a draw is the same."""

    def __init__(self, *numbers: float) -> None:
        self._numbers = numbers

    def random(self, out: Array) -> None:
        out[:] = self._numbers


def bound(
    spec: LayerSpec,
    in_shape: Shape,
    rng: Chosen | np.random.Generator,
    *,
    batch: int = 500,
    dtype: type[np.floating] = np.float64,
) -> Layer:
    """The layer alone, without parameters, drawing from `rng`."""
    layer = spec.build(in_shape)
    state = {name: np.zeros(shape, dtype) for name, shape in layer.state_shapes.items()}
    layer.bind({}, {}, state, batch=batch, dtype=np.dtype(dtype), rng=rng)
    layer.init(np.random.default_rng(0))
    return layer


def changed(spec: LayerSpec, x: Array, *numbers: float) -> Array:
    """x as the layer makes it in training from these numbers for each row."""
    return bound(spec, x.shape[1:], Chosen(*numbers), dtype=x.dtype.type).forward(x, train=True).copy()


def seeded(spec: LayerSpec, in_shape: Shape, seed: int = 0) -> Layer:
    """The layer drawing from a generator of this seed."""
    return bound(spec, in_shape, np.random.default_rng(seed))


def middles(choices: int) -> Sequence[float]:
    """One uniform number for each of so many choices of equal probability, in their order."""
    return [(i + 0.5) / choices for i in range(choices)]
