"""What moves during training besides the learning rate: weight decay and dropout."""

from collections.abc import Callable

from engine.network import Network
from engine.optimizers import Optimizer
from engine.schedules import ConstantScheduleSpec, Schedule
from engine.training.spec import TrainingSpec


class Moves:
    """The schedules of weight decay and dropout: pure functions of the step, so that a resume needs no state."""

    def __init__(self, recipe: TrainingSpec, network: Network, optimizer: Optimizer) -> None:
        def scale_decay(factor: float) -> None:
            optimizer.decay_share = factor

        moved = ((recipe.decay_schedule, scale_decay), (recipe.dropout_schedule, network.scale_dropout))
        self._moved = [each for each in moved if not isinstance(each[0], ConstantScheduleSpec)]
        self._schedules: list[tuple[Schedule, Callable[[float], None]]] = []

    def build(self, steps_per_epoch: int, epochs: int) -> None:
        """Be ready for a run of `epochs` epochs of `steps_per_epoch` steps each."""
        self._schedules = [(spec.build(steps_per_epoch, epochs), move) for spec, move in self._moved]

    def at(self, step: int) -> None:
        """Let decay and dropout be as they are to be at a step."""
        for schedule, move in self._schedules:
            move(schedule(step))
