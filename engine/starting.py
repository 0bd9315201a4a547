"""The weights that a training begins with: drawn, a model's, or what pretraining makes of drawn ones."""

from collections.abc import Iterator

import numpy as np

from engine.arrays import Array
from engine.checkpoint import Checkpoint
from engine.differences import first_difference
from engine.encoding import Categories, Scaling, Texts
from engine.encoding.column_encoders import BooleanEncoder, CategoricalEncoder, NumericEncoder
from engine.encoding.scales import QuantileScale, Scale
from engine.encoding.text_encoder import TextEncoder
from engine.goal import GoalSpec
from engine.model import Model
from engine.network import Network, NetworkSpec
from engine.pretraining.greedy import Pretraining
from engine.randomness import Randomness
from engine.spec import InvalidSpec
from engine.training import Diverged, Progress, Stopwatch, TrainingSpec, check_identity, identity

_AT = ("start_from",)
START_ROWS = 10_000
"""Rows at most, unless a batch has more, that a first layer starts from where its start comes from the data."""


def as_encoded(goal: GoalSpec, start: Model) -> GoalSpec:
    """`goal` with the encoding that the model to start from reads, where it is left open and can be told."""
    categories: Categories | None = None
    scaling: Scaling | None = None
    texts: Texts | None = None
    for encoder in start.encoder.columns:
        match encoder:
            case CategoricalEncoder() if encoder.form != "one_hot" or encoder.scales is not None:
                categories = "by_size"
            case BooleanEncoder() if encoder.scale is not None:
                categories = "by_size"
            case TextEncoder():
                texts = "n_grams"
            case NumericEncoder(scale=QuantileScale()):
                scaling = "quantile"
            case NumericEncoder(scale=Scale(bounded=True)):
                scaling = "robust"
    return goal.model_copy(
        update={
            "categories": goal.categories or categories,
            "scaling": goal.scaling or scaling,
            "texts": goal.texts or texts,
        }
    )


def check_ends(start: Model, inputs: int, outputs: int) -> None:
    """Raise `InvalidSpec` where the model takes other numbers of inputs, or gives other numbers of outputs."""
    for what, its, needed in (
        ("takes {} encoded inputs", start.encoder.width, inputs),
        ("gives {} outputs", start.target.outputs, outputs),
    ):
        if its != needed:
            raise InvalidSpec(f"the model {what.format(its)}, but this training has {needed}", _AT)


def check_network(start: Model, network: NetworkSpec) -> None:
    """Raise `InvalidSpec` where the model has another network, resolved, than the one that is trained."""
    theirs, ours = start.network.model_dump(mode="json"), network.model_dump(mode="json")
    if difference := first_difference(theirs, ours):
        raise InvalidSpec(
            f"the model has another network, whose {difference}: leave the network out to take the model's",
            _AT,
        )


class Beginning:
    """Gives a network its first weights; with pretraining that takes a while, and may go on from a checkpoint."""

    def __init__(
        self, recipe: TrainingSpec, network: Network, randomness: Randomness, watch: Stopwatch
    ) -> None:
        """`watch`: counts the seconds of the training."""
        self._recipe, self._network, self._randomness, self._watch = recipe, network, randomness, watch
        self._pretraining: Pretraining | None = None

    def take(self, start: Model) -> None:
        """Begin with a model's weights."""
        self._network.theta[:], self._network.state[:] = start.theta, start.state

    def draw(self, x: Array) -> None:
        """Draw the weights; x (rows, *in_shape) is for data-driven starts."""
        order = self._randomness.shuffle(1).permutation(len(x))  # a table may be sorted
        self._network.init(self._randomness.init, x[order[: max(START_ROWS, self._network.batch)]])

    def pretrain(self, x: Array, checkpoint: Checkpoint | None) -> Iterator[Progress]:
        """Carry out the recipe's pretraining, if there is any; a sign of life after every step.

        Raises `CheckpointMismatch` for a checkpoint of another training, and `Diverged` for weights that are no
        longer finite.
        """
        if self._recipe.pretraining is None:
            return
        self._rows = len(x)
        pretraining = Pretraining(self._recipe.pretraining, self._network, x, self._randomness.pretraining)
        if checkpoint is not None:
            check_identity(checkpoint.facts, self._recipe, self._rows)
            self._network.resume(checkpoint.part("network"))
            pretraining.resume(checkpoint.part("pretraining"))
            self._watch.start(checkpoint.facts["seconds"])
        self._pretraining = pretraining
        for _ in pretraining.run():
            yield Progress(0, 0, None)
        if not np.isfinite(self._network.theta).all():
            raise Diverged(0, 0, "start that pretraining gave")

    def checkpoint(self) -> Checkpoint:
        """The position within pretraining."""
        assert self._pretraining is not None, "a step of it is done"
        position = dict.fromkeys(("epoch", "epochs_done", "batches_done", "step"), 0)
        facts = {**position, **identity(self._recipe, self._rows), "seconds": self._watch.seconds}
        return Checkpoint.of(
            facts, network=self._network.checkpoint(), pretraining=self._pretraining.checkpoint()
        )
