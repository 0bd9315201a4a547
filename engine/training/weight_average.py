"""The running average of the weights, which is often better than the weights themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from pydantic import Field

from engine.checkpoint import Checkpoint
from engine.network import Network
from engine.spec import Spec
from engine.training.weights_apart import WeightsApart


class WeightAverageSpec(Spec):
    """Average the weights over the steps, exponentially; the average is validated and kept."""

    formula: ClassVar[str] = (
        r"\bar\theta_t = d_t \bar\theta_{t-1} + (1 - d_t) \theta_t, \quad "
        r"d_t = d \text{ or, without bias, } d \frac{1 - d^{t-1}}{1 - d^t}"
    )
    source: ClassVar[str] = (
        "Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging; the exponential form, "
        "without bias as in Kingma and Ba 2015, section 7.2"
    )

    decay: float = Field(
        0.999, ge=0, lt=1, description="Share of the average that a step leaves: it spans 1 / (1 - d) steps."
    )
    bias_corrected: bool = Field(
        True, description="Leave the weights of the start out; otherwise the average begins with them."
    )


class WeightAverage:
    """avg += (1 - d_t) (theta - avg) after each step; the layers' state is averaged alike."""

    def __init__(self, spec: WeightAverageSpec, network: Network) -> None:
        self._spec = spec
        self._steps = 0
        self.average = WeightsApart(network)

    def update(self) -> None:
        """Let the average follow the weights after a step."""
        self._steps += 1
        d, t = self._spec.decay, self._steps
        if self._spec.bias_corrected:
            d *= (1 - d ** (t - 1)) / (1 - d**t)
        for values, average, work in self.average.pairs:
            np.subtract(values, average, out=work)
            np.multiply(work, 1 - d, out=work)
            np.add(average, work, out=average)

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """Within it the network has the average, after it its own weights and state again."""
        self.average.swap()
        try:
            yield
        finally:
            self.average.swap()

    def checkpoint(self) -> Checkpoint:
        """The average, and over how many steps it is."""
        return Checkpoint.of({"steps": self._steps}, average=self.average.checkpoint())

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from there; raises `CheckpointMismatch` where the average does not fit."""
        self._steps = checkpoint.facts["steps"]
        self.average.resume(checkpoint.part("average"))
