"""The running average of the weights, which is often better than the weights themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from pydantic import Field

from engine.network import Network
from engine.optimizers import BLOCK
from engine.spec import Spec


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
        work = np.empty(min(BLOCK, max(network.theta.size, network.state.size)), network.dtype)
        self._blocks = [
            (values[start : start + BLOCK], average[start : start + BLOCK], work[: len(values) - start])
            for values in (network.theta, network.state)
            for average in (values.copy(),)
            for start in range(0, len(values), BLOCK)
        ]

    def update(self) -> None:
        """Let the average follow the weights after a step."""
        self._steps += 1
        d, t = self._spec.decay, self._steps
        if self._spec.bias_corrected:
            d *= (1 - d ** (t - 1)) / (1 - d**t)
        for values, average, work in self._blocks:
            np.subtract(values, average, out=work)
            np.multiply(work, 1 - d, out=work)
            np.add(average, work, out=average)

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """Within it the network has the average, after it its own weights and state again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for values, average, work in self._blocks:
            np.copyto(work, values)
            np.copyto(values, average)
            np.copyto(average, work)

    def adopt(self) -> None:
        """Give the network the average for good."""
        for values, average, _ in self._blocks:
            np.copyto(values, average)
