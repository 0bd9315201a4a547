"""What the loss curves say."""

from collections.abc import Iterator

from engine.doctor.case import Case
from engine.doctor.course import FALL, Course
from engine.doctor.findings import Finding, Operation, Remedy, Rule
from engine.doctor.remedies import layers_of, lower_rate, replace
from engine.training import Diverged

GROWTH = 10.0
RISES_IN_A_ROW = 3
VALIDATION_RISE = 1.2
TRAINING_FALL = 0.9
OVERFIT_EPOCHS = 10
PATIENCE = 5  # less than what overfitting needs to be told
HARDLY = 0.9
FLAT_EPOCHS, FLAT_SHARE = 30, 0.25
UNDERFIT_EPOCHS = 10
HIDDEN_UNITS = 64

DIVERGENCE = Rule(
    code="divergence",
    explanation="Each step overshoots by more than the one before, so that the weights and the loss grow without "
    "bound until they are no numbers any more.",
    rule="error: the loss or the weights are NaN or infinite. warning: the training loss has risen for "
    f"{RISES_IN_A_ROW} epochs in a row to more than {GROWTH:g} times both its lowest value and the loss of the "
    "best constant answer.",
    source="LeCun et al. 1998, Efficient BackProp, section 5.1",
)
OVERFITTING = Rule(
    code="overfitting",
    explanation="The network goes on to learn its training rows by heart and gets worse on rows that it has not "
    "seen.",
    rule=f"For at least {OVERFIT_EPOCHS} epochs since its best, the validation loss is up by more than "
    f"{VALIDATION_RISE - 1:.0%} (and a tenth of the loss of the best constant answer) while the training loss is "
    f"down by more than {1 - TRAINING_FALL:.0%}. info where early stopping keeps the best weights, else warning.",
    source="Prechelt 1998, Early stopping - but when?",
)
UNDERFITTING = Rule(
    code="underfitting",
    explanation="The network does hardly better than giving every row the same answer, and gets no better: it is "
    "too small or too restrained for the task, or the features say nothing about the target.",
    rule=f"At the end, after at least {UNDERFIT_EPOCHS} epochs, the training loss is above {HARDLY:.0%} of the loss "
    f"of the best constant answer and has not fallen by {FALL:.0%} in the last quarter, at least 5 epochs, and no "
    "other finding explains it.",
    source="Goodfellow, Bengio & Courville 2016, Deep learning, section 5.2",
)
PLATEAU = Rule(
    code="plateau",
    explanation="The training loss has stopped to fall: further epochs at this rate cost time and change nothing.",
    rule=f"The training loss has not fallen by {FALL:.0%} for {FLAT_SHARE:.0%} of the epochs asked for, at least "
    f"{FLAT_EPOCHS}.",
    source="Goodfellow, Bengio & Courville 2016, Deep learning, section 8.3",
)
RULES = (DIVERGENCE, OVERFITTING, UNDERFITTING, PLATEAU)


def diverged(case: Case, course: Course, error: Diverged, *, unscaled: bool) -> Finding:
    """The finding for a training that ended so."""
    last = course.recent[-1][0] if course.recent else None
    return DIVERGENCE.found(
        "error",
        f"The {error.what} is no finite number any more after {error.step} steps.",
        {
            "what": error.what,
            "last_train_loss": last,
            "learning_rate": case.training.optimizer.learning_rate,
            "baseline": case.baseline,
        },
        _tame(case, unscaled=unscaled),
    )


def _tame(case: Case, *, unscaled: bool) -> Remedy:
    """A lower rate, a limit on the gradient where it can have one, and scaled inputs where they are not."""
    lower = lower_rate(case.training)
    patch, detail = list(lower.patch), lower.detail
    if not case.training.optimizer.full_batch and case.training.clip_norm is None:
        patch.append(replace("/training/clip_norm", 1.0))
        detail += " Limit the length of the gradient to 1."
    if unscaled:
        patch.append(replace("/scaling", "standard"))
        detail += " Scale the inputs."
    return Remedy(detail=detail, patch=tuple(patch))


def examine_growth(case: Case, course: Course) -> Iterator[Finding]:
    """A loss that grows without bound, before it ends the training. Cheap: looked at after every epoch."""
    if course.rising < RISES_IN_A_ROW or not case.comparable:
        return
    now = course.recent[-1][0]
    if now <= GROWTH * max(course.lowest, case.baseline):
        return
    yield DIVERGENCE.found(
        "warning",
        f"The training loss grows: {now:.3g}, after {course.lowest:.3g} at its lowest.",
        {
            "train_loss": now,
            "lowest_train_loss": course.lowest,
            "epochs_rising": course.rising,
            "learning_rate": case.training.optimizer.learning_rate,
            "baseline": case.baseline,
        },
        _tame(case, unscaled=False),
    )


def examine_overfitting(case: Case, course: Course) -> Iterator[Finding]:
    """A validation loss that rises while the training loss falls."""
    validation, since = course.validation, course.epochs - course.best_epoch
    if validation is None or since < OVERFIT_EPOCHS or not case.comparable:
        return
    rise = validation - course.best
    if rise <= max((VALIDATION_RISE - 1) * course.best, case.baseline / 10):
        return
    if course.train >= TRAINING_FALL * course.train_at_best:
        return
    stops = case.training.early_stopping is not None
    yield OVERFITTING.found(
        "info" if stops else "warning",
        f"Since epoch {course.best_epoch} the validation loss has risen from {course.best:.3g} to {validation:.3g}, "
        f"while the training loss fell from {course.train_at_best:.3g} to {course.train:.3g}.",
        {
            "best_epoch": course.best_epoch,
            "best_validation_loss": course.best,
            "validation_loss": validation,
            "train_loss_then": course.train_at_best,
            "train_loss": course.train,
        },
        Remedy(detail="Nothing has to be done: early stopping keeps the weights of the best epoch.")
        if stops
        else Remedy(
            detail=f"Stop {PATIENCE} epochs after the last best validation loss and keep the weights of that epoch.",
            patch=(replace("/training/early_stopping", {"patience": PATIENCE, "min_delta": 0.0}),),
        ),
    )


def examine_fit(case: Case, course: Course) -> Iterator[Finding]:
    """A network that has learned hardly anything, at the end."""
    flat = course.epochs - course.moved_epoch
    if not is_stuck(case, course) or course.epochs < UNDERFIT_EPOCHS or flat < max(5, course.epochs // 4):
        return
    yield UNDERFITTING.found(
        "warning",
        f"The training loss, {course.train:.3g}, is hardly below that of a constant answer, {case.baseline:.3g}.",
        {"train_loss": course.train, "baseline": case.baseline, "epochs_flat": flat},
        _more_room(case),
    )


def is_stuck(case: Case, course: Course) -> bool:
    """Whether the training loss is hardly below that of the best constant answer."""
    return case.comparable and course.train > HARDLY * case.baseline


def _more_room(case: Case) -> Remedy:
    """No penalties where there are some; else a hidden layer before a last dense one."""
    training, layers = case.training, layers_of(case.network)
    if training.l1 or training.l2:
        patch = tuple(replace(f"/training/{name}", 0.0) for name in ("l1", "l2") if getattr(training, name))
        return Remedy(detail="Leave out the penalties on the weights.", patch=patch)
    if layers[-1]["kind"] != "dense":
        return Remedy(detail="Try a larger network, or features that say more about the target.")
    new = ({"kind": "dense", "units": HIDDEN_UNITS}, {"kind": "relu"})
    place = f"/network/layers/{len(layers) - 1}"
    return Remedy(
        detail=f"Add a hidden layer of {HIDDEN_UNITS} units. If that does not help, look for features that say more.",
        patch=tuple(Operation(op="add", path=place, value=layer) for layer in reversed(new)),
    )


def examine_plateau(case: Case, course: Course) -> Iterator[Finding]:
    """A training loss that has stood still for long."""
    flat, asked = course.epochs - course.moved_epoch, case.training.epochs
    if flat < max(FLAT_EPOCHS, FLAT_SHARE * asked):
        return
    yield PLATEAU.found(
        "info",
        f"The training loss has not fallen by {FALL:.0%} since epoch {course.moved_epoch}.",
        {"since_epoch": course.moved_epoch, "train_loss": course.train, "epochs_flat": flat, "epochs": asked},
        Remedy(
            detail=f"End after {course.moved_epoch} epochs.",
            patch=(replace("/training/epochs", max(course.moved_epoch, 1)),),
        ),
    )
