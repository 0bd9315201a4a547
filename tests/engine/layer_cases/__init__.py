"""The cases of all layers, a file a family: each has a list `CASES`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

from engine.arrays import Array, Shape
from engine.layers import LayerSpec


def away_from_kinks(shape: Shape, seed: int = 1) -> Array:
    """Numbers of both signs, none of them within 0.05 of 0."""
    x = np.random.default_rng(seed).standard_normal(shape)
    return x + np.copysign(0.05, x)


@dataclass(frozen=True)
class LayerCase:
    spec: LayerSpec
    in_shape: Shape = (4,)
    make_x: Callable[[Shape], Array] = away_from_kinks  # (rows, *in_shape) -> rows for the layer
    differentiable_input: bool = True  # False: x holds ids, and dx is all zeros


def all_cases() -> list[LayerCase]:
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return [case for module in modules for case in module.CASES]
