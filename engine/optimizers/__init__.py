"""How a step changes the parameters: THE one list of optimizers."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from engine.optimizers.adam import AdamSpec, AdamWSpec, AmsGradSpec
from engine.optimizers.adam_variants import AdamaxSpec, NAdamSpec, RAdamSpec
from engine.optimizers.adaptive import AdadeltaSpec, AdagradSpec, RmspropSpec
from engine.optimizers.base import BLOCK, Block, Closure, Optimizer, OptimizerSpec, blocks
from engine.optimizers.lamb import LambSpec
from engine.optimizers.lbfgs import LbfgsSpec
from engine.optimizers.lion import LionSpec
from engine.optimizers.perceptron_rule import PerceptronRuleSpec
from engine.optimizers.rprop import RpropSpec
from engine.optimizers.sgd import SgdSpec

OPTIMIZER_SPECS: tuple[type[OptimizerSpec], ...] = (
    SgdSpec,
    AdamSpec,
    AdamWSpec,
    AmsGradSpec,
    AdamaxSpec,
    NAdamSpec,
    RAdamSpec,
    AdagradSpec,
    RmspropSpec,
    AdadeltaSpec,
    LionSpec,
    LambSpec,
    RpropSpec,
    LbfgsSpec,
    PerceptronRuleSpec,
)

if TYPE_CHECKING:
    AnyOptimizer = OptimizerSpec
else:
    AnyOptimizer = Annotated[Union[OPTIMIZER_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any optimizer's spec, told apart by `kind`."""

__all__ = [
    "BLOCK",
    "OPTIMIZER_SPECS",
    "AdadeltaSpec",
    "AdagradSpec",
    "AdamSpec",
    "AdamWSpec",
    "AdamaxSpec",
    "AmsGradSpec",
    "AnyOptimizer",
    "Block",
    "Closure",
    "LambSpec",
    "LbfgsSpec",
    "LionSpec",
    "NAdamSpec",
    "Optimizer",
    "OptimizerSpec",
    "PerceptronRuleSpec",
    "RAdamSpec",
    "RmspropSpec",
    "RpropSpec",
    "SgdSpec",
    "blocks",
]
