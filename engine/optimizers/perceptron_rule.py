"""The rule of the perceptron, 1958."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.optimizers.base import Optimizer, OptimizerSpec, Views


class PerceptronRuleSpec(OptimizerSpec):
    """Adds a row to the weights, or takes it off, whenever the row is on the wrong side.

    It is gradient descent on the perceptron criterion, the only loss that it takes; a batch holds one
    row unless a batch size is given. On classes that a plane can part it makes at most (R / gamma)^2
    mistakes.
    """

    formula: ClassVar[str] = (
        r"w \leftarrow w + \eta\, t\, x \text{ where } t\, w^\top x \le 0, \quad t \in \{-1, 1\}"
    )
    source: ClassVar[str] = (
        "Rosenblatt 1958, The perceptron; Novikoff 1962, On convergence proofs on perceptrons"
    )

    kind: Literal["perceptron_rule"] = "perceptron_rule"
    learning_rate: float = Field(
        1.0, gt=0, le=1000, description="Size of a step; the schedule multiplies it."
    )

    def build(self) -> "PerceptronRule":
        """Build the optimizer."""
        return PerceptronRule()


class PerceptronRule(Optimizer):
    """theta -= eta g: the gradient of the perceptron criterion is -t x on a mistake and 0 otherwise."""

    def _update(self, views: Views, learning_rate: float) -> None:
        p, g, _, (work,) = views
        p -= np.multiply(g, learning_rate, out=work)
