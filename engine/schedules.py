"""How the learning rate moves: pure functions of the step, so that a resume needs no state."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

from pydantic import Field, PositiveInt

from engine.spec import Spec

Schedule = Callable[[int], float]
"""The factor on the optimizer's learning rate at a step (0-based)."""


class ScheduleSpec(Spec):
    """A spec that builds a schedule. In the formulas e is the number of epochs done, with its fraction."""

    kind: str

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """Build for a run of `epochs` epochs of `steps_per_epoch` steps each."""
        raise NotImplementedError


class ConstantScheduleSpec(ScheduleSpec):
    """The learning rate stays as it is."""

    formula: ClassVar[str] = "1"

    kind: Literal["constant"] = "constant"

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """The factor 1."""
        return lambda _: 1.0


class StepScheduleSpec(ScheduleSpec):
    """The learning rate falls by a factor every few epochs."""

    formula: ClassVar[str] = r"\gamma^{\lfloor e / N \rfloor}"
    source: ClassVar[str] = "He et al. 2016, Deep residual learning for image recognition, section 3.4"

    kind: Literal["step"] = "step"
    every: PositiveInt = Field(30, le=1_000_000, description="N, the epochs between two falls.")
    factor: float = Field(0.1, gt=0, le=1, description="The factor of a fall.")

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """factor^floor(e / N)."""
        steps = self.every * steps_per_epoch
        return lambda step: self.factor ** (step // steps)


class ExponentialScheduleSpec(ScheduleSpec):
    """The learning rate falls by a factor an epoch, a little at every step."""

    formula: ClassVar[str] = r"\gamma^e"

    kind: Literal["exponential"] = "exponential"
    factor: float = Field(0.99, gt=0, le=1, description="The factor of an epoch.")

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """factor^e."""
        return lambda step: self.factor ** (step / steps_per_epoch)


class CosineScheduleSpec(ScheduleSpec):
    """The learning rate falls over the whole run along half a cosine, slowly at both ends."""

    formula: ClassVar[str] = r"f_{min} + \frac{1 - f_{min}}{2} \left(1 + \cos \frac{\pi e}{E}\right)"
    source: ClassVar[str] = (
        "Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts, eq. 5"
    )

    kind: Literal["cosine"] = "cosine"
    minimum: float = Field(0.0, ge=0, le=1, description="The factor at the end of the run.")

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """From 1 at step 0 to `minimum` when the run is over, and from there on."""
        steps = epochs * steps_per_epoch

        def schedule(step: int) -> float:
            done = min(step / steps, 1.0) if steps > 0 else 1.0
            return self.minimum + (1 - self.minimum) * (1 + math.cos(math.pi * done)) / 2

        return schedule


if TYPE_CHECKING:
    AfterWarmup = ScheduleSpec
else:
    AfterWarmup = Annotated[
        ConstantScheduleSpec | StepScheduleSpec | ExponentialScheduleSpec | CosineScheduleSpec,
        Field(discriminator="kind"),
    ]


class WarmupScheduleSpec(ScheduleSpec):
    """The learning rate rises along a line, then follows another schedule over the epochs that are left."""

    formula: ClassVar[str] = r"\frac{s + 1}{S + 1} \text{ for steps } s < S, \text{ then the schedule } then"
    source: ClassVar[str] = "Goyal et al. 2017, Accurate, large minibatch SGD, section 2.2"

    kind: Literal["warmup"] = "warmup"
    epochs: float = Field(1.0, gt=0, le=1_000_000, description="Length of the rise, in epochs.")
    then: AfterWarmup = Field(
        ConstantScheduleSpec(), description="The schedule after the rise, begun at its step 0."
    )

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """(s + 1) / (S + 1) for the S steps of the rise, so that `then` goes on from 1."""
        steps = max(1, round(self.epochs * steps_per_epoch))
        then = self.then.build(steps_per_epoch, max(0.0, epochs - steps / steps_per_epoch))
        return lambda step: (step + 1) / (steps + 1) if step < steps else then(step - steps)


SCHEDULE_SPECS: tuple[type[ScheduleSpec], ...] = (
    ConstantScheduleSpec,
    StepScheduleSpec,
    ExponentialScheduleSpec,
    CosineScheduleSpec,
    WarmupScheduleSpec,
)

if TYPE_CHECKING:
    AnySchedule = ScheduleSpec
else:
    AnySchedule = Annotated[Union[SCHEDULE_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any schedule's spec, told apart by `kind`."""
