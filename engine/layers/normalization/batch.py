"""Batch normalisation: the moments of a channel over the whole batch."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.layers.normalization.base import NormalizationSpec
from engine.layers.normalization.position import PositionNormalization


class BatchNormalizationSpec(NormalizationSpec):
    """Gives each channel mean 0 and variance 1 over the batch, then a learned scale and shift.

    All axes but the last count as the batch. Training takes the moments of the batch and lets running ones
    follow them, which evaluation takes. Both variances are divided by n, as in ONNX and Keras (the article
    divides the running one by n - 1), so that a batch of one works.
    """

    formula: ClassVar[str] = (
        r"y_c = \gamma_c \frac{x_c - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + \beta_c, \quad"
        r" \bar\mu \leftarrow m \bar\mu + (1 - m) \mu, \quad"
        r" \bar\sigma^2 \leftarrow m \bar\sigma^2 + (1 - m) \sigma^2"
    )
    source: ClassVar[str] = (
        "Ioffe & Szegedy 2015, Batch normalization: accelerating deep network training by reducing internal "
        "covariate shift, algorithms 1 and 2"
    )

    kind: Literal["batch_normalization"] = "batch_normalization"
    momentum: float = Field(
        0.9, ge=0, lt=1, description="The part m of the running moments that a batch leaves as it is."
    )

    def build(self, in_shape: Shape) -> "BatchNormalization":
        """Build for rows of any shape with at least one axis."""
        self.check(in_shape)
        return BatchNormalization(in_shape, self.epsilon, self.momentum)


class BatchNormalization(PositionNormalization):
    """One set: all rows. In evaluation the moments are the running ones, which training updates."""

    def __init__(self, shape: Shape, epsilon: float, momentum: float) -> None:
        super().__init__(shape, epsilon)
        self._momentum = momentum
        self.state_shapes = dict.fromkeys(("running_mean", "running_variance"), (self.channels,))

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
        """Take the running moments, each together with the present one."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        mean, variance, *_ = self._moments[:, 0]
        self._running = (state["running_mean"], mean), (state["running_variance"], variance)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """gamma = 1, beta = 0, running mean 0, running variance 1."""
        super().init(rng, x)
        for (running, _), start in zip(self._running, (0, 1), strict=True):
            running.fill(start)

    def forward(self, x: Array, train: bool) -> Array:
        """running <- m running + (1 - m) of the batch, while training."""
        self.uses_own_moments = train
        if not train:
            for running, present in self._running:
                np.copyto(present, running)
        y = super().forward(x, train)
        if train:
            step = self._moments[-1, 0]
            for running, present in self._running:
                np.subtract(present, running, out=step)
                step *= 1 - self._momentum
                np.add(running, step, out=running)
        return y
