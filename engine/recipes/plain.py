"""The plain recipe: the defaults of `TrainingSpec`, and a small multilayer perceptron where there is no network."""

from collections.abc import Sequence

from engine.encoding.blocks import Block
from engine.network import NetworkSpec
from engine.optimizers import PerceptronRuleSpec
from engine.recipes.recipe import Recipe
from engine.templates import MlpSpec, PerceptronSpec
from engine.training import TrainingSpec


def plain(training: TrainingSpec) -> Recipe:
    """The recipe for whoever brings a network, and for trainings that no other one suits."""

    def network(_: Sequence[Block]) -> NetworkSpec:
        if isinstance(training.optimizer, PerceptronRuleSpec):
            return PerceptronSpec().build()  # the rule at its usual rate tears deeper ones apart
        return MlpSpec().build()

    return Recipe(network=network)
