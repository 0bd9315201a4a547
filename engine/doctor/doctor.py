"""The doctor of one training: looks at it after epochs and tells what is wrong.

doctor = Doctor(case)
doctor.before()                       findings of the data alone
doctor.after(point, network)          new findings after an epoch
doctor.at_end()                       those that need the whole course
doctor.on_divergence(error)           what is to be said where the loss is no number any more
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.doctor.activity import examine_units
from engine.doctor.case import Case
from engine.doctor.course import Course
from engine.doctor.curves import diverged, examine_fit, examine_growth, examine_overfitting, examine_plateau
from engine.doctor.data import UNSCALED_INPUTS, examine_data
from engine.doctor.findings import GRADES, Finding, Severity
from engine.doctor.gradients import LOOKS, examine_gradients
from engine.doctor.leakage import examine_leakage
from engine.doctor.probe import Reading, read, sample_of, update_ratio
from engine.doctor.rates import examine_pace, examine_stuck, examine_swing
from engine.network import Network
from engine.training import Diverged, Point


class Doctor:
    """Looks at a training and never touches it; each finding is told once, and again when it gets worse.

    The losses are taken in after every epoch, which costs a microsecond. The network is looked at after epochs
    1, 2, 4, 8, ... and the last: all looks together cost less than a few epochs do.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._course = Course()
        self._told: dict[str, Severity] = {}
        self._readings: list[Reading] = []  # the last ones, oldest first
        self._weights: tuple[int, Array] | None = (
            None  # the step and a sample of the weights at the last look
        )

    def before(self) -> list[Finding]:
        """New findings before the first epoch."""
        return self._new(chain(examine_data(self._case), examine_leakage(self._case)))

    def after(self, point: Point, network: Network) -> list[Finding]:
        """New findings after an epoch."""
        case, course = self._case, self._course
        course.add(point)
        found: Iterable[Finding] = examine_growth(case, course)
        if _is_look(point.epoch) or point.epoch == case.training.epochs:
            found = chain(found, self._look(network))
        return self._new(found)

    def at_end(self) -> list[Finding]:
        """New findings where the training has come to its end."""
        if not self._course.epochs:
            return []
        return self._new(self._last_words())

    def on_divergence(self, error: Diverged) -> list[Finding]:
        """The finding of a training that ended so."""
        unscaled = UNSCALED_INPUTS.code in self._told
        self._course.step = error.step
        found = diverged(self._case, self._course, error, unscaled=unscaled)
        return [finding.model_copy(update={"epoch": error.epoch}) for finding in self._new([found])]

    def _look(self, network: Network) -> Iterator[Finding]:
        case, course = self._case, self._course
        with np.errstate(all="ignore"):  # a network on its way to infinity is looked at as well
            reading = read(network, case.probe, course.epochs)
            sample = sample_of(network.theta)
            if self._weights is not None:
                ratio = update_ratio(self._weights[1], sample, course.step - self._weights[0])
                course.largest_update = max(course.largest_update, ratio)
        self._weights = course.step, sample
        self._readings = [*self._readings[1 - LOOKS :], reading]
        yield from examine_overfitting(case, course)
        yield from examine_swing(case, course)
        yield from examine_gradients(case, course, self._readings)
        if len(self._readings) > 1:
            yield from examine_units(case, course, *self._readings[-2:])

    def _last_words(self) -> Iterator[Finding]:
        case, course = self._case, self._course
        yield from examine_overfitting(case, course)
        yield from examine_swing(case, course)
        yield from examine_pace(case, course)
        yield from examine_stuck(case, course)
        if not {subject.split()[0] for subject in self._told} & EXPLAINS_UNDERFITTING:
            yield from examine_fit(case, course)
        yield from examine_plateau(case, course)

    def _new(self, found: Iterable[Finding]) -> list[Finding]:
        """Those that were not told yet, or not as bad; with the epoch and the step."""
        new = []
        for finding in found:
            told = self._told.get(finding.subject)
            if told is not None and GRADES[told] >= GRADES[finding.severity]:
                continue
            self._told[finding.subject] = finding.severity
            if self._course.epochs or self._course.step:
                at = {"epoch": self._course.epochs, "step": self._course.step}
                finding = finding.model_copy(update=at)  # noqa: PLW2901 - the same finding, dated
            new.append(finding)
        return new

    def know(self, findings: Iterable[Finding]) -> None:
        """Take these as told."""
        for finding in findings:
            told = self._told.get(finding.subject, finding.severity)
            self._told[finding.subject] = max(told, finding.severity, key=GRADES.__getitem__)

    def facts(self) -> dict[str, Any]:
        """What a doctor has to know to go on, in JSON, for a checkpoint."""
        readings = [asdict(reading) for reading in self._readings]
        return {"told": self._told, "course": self._course.facts(), "readings": readings}

    def resume(self, facts: dict[str, Any]) -> None:
        """Go on where the doctor that told these facts was: what was told is not told again."""
        self._told = dict(facts["told"])
        self._course = Course.of(facts["course"])
        self._readings = [Reading.of(reading) for reading in facts["readings"]]


EXPLAINS_UNDERFITTING = frozenset(
    {
        "dead_relus",
        "divergence",
        "learning_rate_too_high",
        "learning_rate_too_low",
        "saturated",
        "vanishing_gradients",
    }
)


def _is_look(epoch: int) -> bool:
    """1, 2, 4, 8, ..."""
    return epoch & (epoch - 1) == 0
