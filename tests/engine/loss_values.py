"""What a loss makes of some outputs and targets."""

import numpy as np

from engine.arrays import Array
from engine.losses import LossSpec


def evaluate(
    spec: LossSpec,
    output: list | Array,
    target: list | Array,
    weight: list | Array | None = None,
    *,
    classes: bool = False,
    dtype: type[np.floating] = np.float64,
) -> tuple[float, Array]:
    """The loss and its gradient; `classes`: whether exactly one output of a row is right."""
    z, y = np.array(output, dtype), np.array(target, dtype)
    build = spec.build_for_classes if classes else spec.build
    loss = build(z.shape[1:], batch=len(z), dtype=np.dtype(dtype))
    d = np.full_like(z, np.nan)
    return loss(z, y, None if weight is None else np.array(weight, dtype), d), d
