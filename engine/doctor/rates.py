"""Whether the learning rate suits."""

from collections.abc import Iterator

from engine.doctor.case import Case
from engine.doctor.course import RECENT, Course
from engine.doctor.curves import is_stuck
from engine.doctor.findings import Finding, Rule
from engine.doctor.remedies import higher_rate, lower_rate, usual_rate
from engine.schedules import CosineRestartsScheduleSpec, CosLog4ScheduleSpec

SWING = 0.25
RISES = 0.25
WORSE = 2.0
PEAK = 5.0
FAR_ABOVE_USUAL = 100.0
UPDATE = 1e-4
GOOD_UPDATE = 1e-3
STEADY_RISES = 0.1
LITTLE = 0.8
SLOW_EPOCHS = 5

LEARNING_RATE_TOO_HIGH = Rule(
    code="learning_rate_too_high",
    explanation="The steps are so long that they jump over the minimum: the loss goes up and down and does not "
    "settle.",
    rule=f"Over the last {RECENT} epochs at least {RISES:.0%} of the changes of the training loss are rises, and "
    f"they are on average more than {SWING:.0%} of the loss of the best constant answer while the loss as a whole "
    f"does not fall by half of them, or the loss is more than {WORSE:g} times that of the constant answer. Or a rise "
    f"took it to more than {PEAK:g} times that of the constant answer. Or, at the end, the loss is hardly below that "
    f"of the constant answer and the rate at least {FAR_ABOVE_USUAL:g} times the optimizer's usual one. What rises is "
    "not looked at under a schedule that lets the rate rise again and again.",
    source="Bengio 2012, Practical recommendations for gradient-based training of deep architectures, section 3.1.1",
)
LEARNING_RATE_TOO_LOW = Rule(
    code="learning_rate_too_low",
    explanation="The steps are so short that the loss, though it falls steadily, will not get far in the epochs "
    "that there are.",
    rule=f"After at least {SLOW_EPOCHS} epochs at most {STEADY_RISES:.0%} of the changes of the training loss are "
    f"rises, it is still above {LITTLE:.0%} of what it was after epoch 1, and no step was longer than {UPDATE:g} of "
    "the weights' length.",
    source="Karpathy 2015, CS231n: ratio of updates to weights, which should be about 1e-3",
)
RULES = (LEARNING_RATE_TOO_HIGH, LEARNING_RATE_TOO_LOW)


def examine_swing(case: Case, course: Course) -> Iterator[Finding]:
    """A loss that goes up and down, or stays up."""
    if isinstance(case.training.schedule, CosLog4ScheduleSpec | CosineRestartsScheduleSpec):
        return
    if case.comparable and course.peak > PEAK * case.baseline:
        times = course.peak / case.baseline
        title = f"The training loss rose to {course.peak:.3g}, {times:.3g} times that of a constant answer."
        yield _too_high(case, course, title)
        return
    if len(course.recent) < RECENT or not case.comparable or course.recent_rises < RISES:
        return
    changes = course.swing * (RECENT - 1)
    swings = course.swing > SWING * case.baseline and course.recent_fall < changes / 2
    if not swings and min(train for train, _ in course.recent) <= WORSE * case.baseline:
        return
    yield _too_high(
        case,
        course,
        f"The training loss does not settle: it changes by {course.swing:.3g} an epoch, at {course.train:.3g}.",
    )


def examine_stuck(case: Case, course: Course) -> Iterator[Finding]:
    """A loss that got nowhere at a rate far above the usual, at the end."""
    rate = case.training.optimizer.learning_rate
    if is_stuck(case, course) and rate >= FAR_ABOVE_USUAL * usual_rate(case.training):
        title = (
            f"At a learning rate of {rate:g} the training loss is no better than that of a constant answer."
        )
        yield _too_high(case, course, title)


def _too_high(case: Case, course: Course, title: str) -> Finding:
    return LEARNING_RATE_TOO_HIGH.found(
        "warning",
        title,
        {
            "learning_rate": case.training.optimizer.learning_rate,
            "usual_learning_rate": usual_rate(case.training),
            "train_loss": course.train,
            "mean_change": course.swing,
            "share_of_rises": course.recent_rises,
            "highest_train_loss": course.peak,
            "baseline": case.baseline,
        },
        lower_rate(case.training),
    )


def examine_pace(case: Case, course: Course) -> Iterator[Finding]:
    """A loss that falls too slowly."""
    if course.epochs < SLOW_EPOCHS or not 0 < course.largest_update < UPDATE:
        return
    if course.share_of_rises > STEADY_RISES or not 0 < LITTLE * course.first < course.train:
        return
    yield LEARNING_RATE_TOO_LOW.found(
        "warning",
        f"The training loss falls steadily but slowly: from {course.first:.4g} to {course.train:.4g} in "
        f"{course.epochs} epochs.",
        {
            "learning_rate": case.training.optimizer.learning_rate,
            "usual_learning_rate": usual_rate(case.training),
            "update_ratio": course.largest_update,
            "first_train_loss": course.first,
            "train_loss": course.train,
        },
        higher_rate(case.training, GOOD_UPDATE / course.largest_update),
    )
