"""A recipe, and how it makes room for what the caller has said: field by field."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.arrays import Shape
from engine.encoding import Categories, Scaling, Texts
from engine.encoding.blocks import Block
from engine.goal import GoalSpec, Quality
from engine.layers.flatten import FlattenSpec
from engine.network import NetworkSpec
from engine.optimizers import OptimizerSpec
from engine.spec import Spec
from engine.training import EarlyStoppingSpec, NoValidation, TrainingSpec
from engine.training.rate_factors import own_name

NetworkOf = Callable[[Sequence[Block]], NetworkSpec]
"""Makes the network for rows of these blocks of columns."""


@dataclass(frozen=True)
class Recipe:
    """What a training is to be, before anybody overrides it."""

    network: NetworkOf
    training: Mapping[str, Any] = field(
        default_factory=dict
    )  # fields of TrainingSpec, where not its defaults
    runs_to_the_end: bool = False  # whether early stopping, if there is any, only keeps the best epoch
    quality: Quality | None = None
    scaling: Scaling = "standard"
    categories: Categories = "one_hot"
    texts: Texts = "leave_out"
    clip: bool = False  # whether numbers answered stay within those of the training rows
    takes_shape: bool = False  # whether the network takes images or arrays as they are, not rows of numbers
    image_shape: Shape | None = None  # that images are brought to; None: they stay as they are
    rate_factors: Mapping[str, float] = field(default_factory=dict)  # by a parameter's own name
    decay_factors: Mapping[str, float] = field(default_factory=dict)

    def network_for(self, blocks: Sequence[Block], shape: Shape) -> NetworkSpec:
        """The network for rows of `shape`, laid out in `blocks`.

        Images and arrays are taken as rows of numbers, unless the recipe is for their shape.
        """
        network = self.network(blocks)
        if len(shape) == 1 or self.takes_shape:
            return network
        return network.model_copy(update={"layers": (FlattenSpec(), *network.layers)})

    def goal(self, given: GoalSpec) -> GoalSpec:
        """`given` with what it leaves open filled in."""
        own = {name: getattr(self, name) for name in ("quality", "scaling", "categories", "texts", "clip")}
        return given.model_copy(
            update={name: value for name, value in own.items() if getattr(given, name) is None}
        )

    def trained(self, given: TrainingSpec) -> TrainingSpec:
        """The recipe's training, with what was set in `given` in the place of its own.

        Within the optimizer, if it is of the same kind, and within early stopping the fields take their places one
        by one; all else is replaced as a whole.
        """
        said = {name: getattr(given, name) for name in given.model_fields_set}
        own = dict(self.training)
        if said.get("loss") == "auto":
            del said["loss"]
        stopping = own.pop("early_stopping", None)
        if stopping is not None and not isinstance(said.get("validation"), NoValidation):
            own["early_stopping"] = self._stopping(stopping, own | said)
        for name in own.keys() & said.keys():
            said[name] = _merged(own[name], said[name])
        return TrainingSpec.model_validate(own | said)

    def _stopping(self, own: EarlyStoppingSpec, training: Mapping[str, Any]) -> EarlyStoppingSpec:
        """The recipe's early stopping beside the other fields, with what was said of them."""
        if self.runs_to_the_end:
            own = own.model_copy(update={"patience": training["epochs"]})
        if training.get("loss") != self.training.get("loss"):
            # Who asks for another loss wants it to be low, not the number of errors.
            own = own.model_copy(update={"monitor": "loss"})
        return own

    def settled(self, training: TrainingSpec, names: Collection[str]) -> TrainingSpec:
        """`training` with the recipe's factors of the parameters that there are; `names`: their full names."""
        there = set(map(own_name, names))
        update = {
            name: {key: factor for key, factor in factors.items() if key in there} | getattr(training, name)
            for name, factors in (("rate_factors", self.rate_factors), ("decay_factors", self.decay_factors))
            if factors
        }
        return training.model_copy(update=update)


def _merged(own: object, said: object) -> object:
    """What was said; of the same kind of optimizer or of early stopping the fields that were said."""
    if isinstance(own, OptimizerSpec | EarlyStoppingSpec) and type(own) is type(said):
        assert isinstance(said, Spec)
        return own.model_copy(update={name: getattr(said, name) for name in said.model_fields_set})
    return said
