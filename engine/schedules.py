"""How the learning rate moves: pure functions of the step, so that a resume needs no state."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

from pydantic import Field, PositiveInt

from engine.spec import Spec

Schedule = Callable[[int], float]
"""The factor on the optimizer's learning rate at a step (0-based)."""


class ScheduleSpec(Spec):
    """A spec that builds a schedule.

    In the formulas e is the number of epochs done, with its fraction, and p = e / E the share of the run.
    """

    kind: str

    @property
    def on_plateau(self) -> "ReduceOnPlateauSpec | None":
        """What the schedule does about losses that no longer fall, which is the trainer's part to carry out."""
        return None

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
        share = _share_of_run(steps_per_epoch, epochs)
        return lambda step: _half_cosine(share(step), 1.0, self.minimum)


class CosineRestartsScheduleSpec(ScheduleSpec):
    """The learning rate falls along half a cosine again and again, each time over more epochs."""

    formula: ClassVar[str] = (
        r"f_{min} + \frac{1 - f_{min}}{2} \left(1 + \cos \frac{\pi e_i}{T_i}\right), \quad "
        r"T_i = T_0 T_{mult}^i, \quad e_i \text{ epochs after restart } i"
    )
    source: ClassVar[str] = (
        "Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts, eq. 5"
    )

    kind: Literal["cosine_restarts"] = "cosine_restarts"
    first: PositiveInt = Field(10, le=1_000_000, description="Epochs to the first restart, T_0.")
    longer: PositiveInt = Field(
        2, le=1000, description="Factor on the epochs from one restart to the next, T_mult."
    )
    minimum: float = Field(0.0, ge=0, le=1, description="The factor that each fall ends at.")

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """Half a cosine over `first` epochs, then over `longer` times as many, and so on."""
        first = self.first * steps_per_epoch

        def schedule(step: int) -> float:
            length = first
            if self.longer == 1:
                step %= length
            while step >= length:
                step -= length
                length *= self.longer
            return _half_cosine(step / length, 1.0, self.minimum)

        return schedule


class OneCycleScheduleSpec(ScheduleSpec):
    """The learning rate rises from a small value to its full size, then falls to next to nothing."""

    formula: ClassVar[str] = (
        r"\begin{cases} c(\tfrac{p}{r}; s, 1) & p < r \\ c(\tfrac{p - r}{1 - r}; 1, f_{end}) & p \ge r \end{cases}, "
        r"\quad c(q; a, b) = b + \frac{a - b}{2} (1 + \cos \pi q) \text{ or } a + q (b - a)"
    )
    source: ClassVar[str] = (
        "Smith and Topin 2019, Super-convergence: very fast training of neural networks using large learning "
        "rates (lines); the cosines are those of fastai"
    )

    kind: Literal["one_cycle"] = "one_cycle"
    rise: float = Field(0.3, gt=0, lt=1, description="Share of the run in which the learning rate rises, r.")
    start: float = Field(0.04, ge=0, le=1, description="The factor at the start of the run, s.")
    end: float = Field(4e-6, ge=0, le=1, description="The factor at the end of the run.")
    shape: Literal["cosine", "linear"] = Field("cosine", description="How it rises and falls.")

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """From `start` to 1 in the first part of the run, then to `end`."""
        share = _share_of_run(steps_per_epoch, epochs)
        between = _half_cosine if self.shape == "cosine" else _line

        def schedule(step: int) -> float:
            p = share(step)
            if p < self.rise:
                return between(p / self.rise, self.start, 1.0)
            return between((p - self.rise) / (1 - self.rise), 1.0, self.end)

        return schedule


class PolynomialScheduleSpec(ScheduleSpec):
    """The learning rate falls over the whole run along a power of what is left of it; power 1 is a line."""

    formula: ClassVar[str] = r"f_{end} + (1 - f_{end}) (1 - p)^k"
    source: ClassVar[str] = (
        "Chen et al. 2018, DeepLab: semantic image segmentation with deep convolutional nets, section 4.1"
    )

    kind: Literal["polynomial"] = "polynomial"
    power: float = Field(1.0, gt=0, le=100, description="The power, k.")
    end: float = Field(0.0, ge=0, le=1, description="The factor at the end of the run.")

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """From 1 at step 0 to `end` when the run is over, and from there on."""
        share = _share_of_run(steps_per_epoch, epochs)
        return lambda step: self.end + (1 - self.end) * (1 - share(step)) ** self.power


class CosLog4ScheduleSpec(ScheduleSpec):
    """The learning rate rises and falls four times over the run, each time over twice as many steps."""

    formula: ClassVar[str] = r"\frac{1}{2} \left(1 - \cos(2 \pi \log_2(1 + 15 p))\right)"
    source: ClassVar[str] = (
        "Holzmüller, Grinsztajn and Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees "
        "on tabular data, section 3"
    )

    kind: Literal["coslog4"] = "coslog4"

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """(1 - cos(2 pi log2(1 + 15 p))) / 2."""
        share = _share_of_run(steps_per_epoch, epochs)
        return lambda step: (1 - math.cos(2 * math.pi * math.log2(1 + 15 * share(step)))) / 2


class FlatCosScheduleSpec(ScheduleSpec):
    """The learning rate stays as it is for a part of the run, then falls along half a cosine."""

    formula: ClassVar[str] = (
        r"\begin{cases} 1 & p < q \\ f_{min} + \frac{1 - f_{min}}{2} \left(1 + \cos "
        r"\frac{\pi (p - q)}{1 - q}\right) & p \ge q \end{cases}"
    )
    source: ClassVar[str] = (
        "Holzmüller, Grinsztajn and Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees "
        "on tabular data, section 3; first in fastai"
    )

    kind: Literal["flat_cos"] = "flat_cos"
    flat: float = Field(0.5, ge=0, lt=1, description="Share of the run before the fall, q.")
    minimum: float = Field(0.0, ge=0, le=1, description="The factor at the end of the run.")

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """1, then half a cosine from 1 to `minimum`."""
        share = _share_of_run(steps_per_epoch, epochs)
        return lambda step: _half_cosine(
            max(0.0, share(step) - self.flat) / (1 - self.flat), 1.0, self.minimum
        )


class ReduceOnPlateauSpec(ScheduleSpec):
    """The learning rate falls by a factor whenever the loss has not fallen for some epochs.

    The loss is that of validation where rows are validated on, and else that of training.
    """

    formula: ClassVar[str] = (
        r"f \leftarrow \max(\gamma f, f_{min}) \text{ after } N \text{ epochs in a row without }"
        r" C < C_{best} - \epsilon |C_{best}|"
    )
    source: ClassVar[str] = "Common practice: Goodfellow et al. 2016, Deep Learning, section 8.3.1"

    kind: Literal["reduce_on_plateau"] = "reduce_on_plateau"
    factor: float = Field(0.1, gt=0, lt=1, description="The factor of a fall, gamma.")
    patience: PositiveInt = Field(
        10, le=1_000_000, description="Epochs in a row without a lower loss that lead to a fall, N."
    )
    threshold: float = Field(
        1e-4, ge=0, le=1, description="Share of the lowest loss by which a loss must be below it to count."
    )
    minimum: float = Field(0.0, ge=0, le=1, description="The least that the factor falls to.")

    @property
    def on_plateau(self) -> "ReduceOnPlateauSpec":
        """Itself."""
        return self

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """The factor 1: what depends on the losses is not a function of the step."""
        return lambda _: 1.0


def _share_of_run(steps_per_epoch: int, epochs: float) -> Schedule:
    """p: how much of the run is done at a step, from 0 to 1."""
    steps = epochs * steps_per_epoch
    return lambda step: min(step / steps, 1.0) if steps > 0 else 1.0


def _half_cosine(q: float, start: float, end: float) -> float:
    """From `start` at q = 0 to `end` at q = 1."""
    return end + (start - end) * (1 + math.cos(math.pi * q)) / 2


def _line(q: float, start: float, end: float) -> float:
    """From `start` at q = 0 to `end` at q = 1."""
    return start + q * (end - start)


_AFTER_WARMUP = (
    ConstantScheduleSpec,
    StepScheduleSpec,
    ExponentialScheduleSpec,
    PolynomialScheduleSpec,
    CosineScheduleSpec,
    CosineRestartsScheduleSpec,
    OneCycleScheduleSpec,
    FlatCosScheduleSpec,
    CosLog4ScheduleSpec,
    ReduceOnPlateauSpec,
)

if TYPE_CHECKING:
    AfterWarmup = ScheduleSpec
else:
    AfterWarmup = Annotated[Union[_AFTER_WARMUP], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple


class WarmupScheduleSpec(ScheduleSpec):
    """The learning rate rises along a line, then follows another schedule over the epochs that are left."""

    formula: ClassVar[str] = r"\frac{s + 1}{S + 1} \text{ for steps } s < S, \text{ then the schedule } then"
    source: ClassVar[str] = "Goyal et al. 2017, Accurate, large minibatch SGD, section 2.2"

    kind: Literal["warmup"] = "warmup"
    epochs: float = Field(1.0, gt=0, le=1_000_000, description="Length of the rise, in epochs.")
    then: AfterWarmup = Field(
        ConstantScheduleSpec(), description="The schedule after the rise, begun at its step 0."
    )

    @property
    def on_plateau(self) -> ReduceOnPlateauSpec | None:
        """That of the schedule after the rise."""
        return self.then.on_plateau

    def build(self, steps_per_epoch: int, epochs: float) -> Schedule:
        """(s + 1) / (S + 1) for the S steps of the rise, so that `then` goes on from 1."""
        steps = max(1, round(self.epochs * steps_per_epoch))
        then = self.then.build(steps_per_epoch, max(0.0, epochs - steps / steps_per_epoch))
        return lambda step: (step + 1) / (steps + 1) if step < steps else then(step - steps)


SCHEDULE_SPECS: tuple[type[ScheduleSpec], ...] = (*_AFTER_WARMUP, WarmupScheduleSpec)

if TYPE_CHECKING:
    AnySchedule = ScheduleSpec
else:
    AnySchedule = Annotated[Union[SCHEDULE_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any schedule's spec, told apart by `kind`."""
