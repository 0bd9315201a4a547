"""What the units of the activations say."""

from collections.abc import Iterator

from engine.doctor.case import Case
from engine.doctor.course import Course
from engine.doctor.findings import Finding, Operation, Remedy, Rule
from engine.doctor.probe import NEAR_LIMIT, RECTIFIERS, Reading, Units
from engine.doctor.remedies import replace

DEAD = 0.5
ALL_DEAD = 0.95
SATURATED_SHARE = 0.8
LEARNED = 0.5

DEAD_RELUS = Rule(
    code="dead_relus",
    explanation="A unit whose ReLU gets nothing but negative sums answers 0 for every row; its slope is 0 too, so "
    "training cannot bring it back.",
    rule=f"In two looks in a row at least {DEAD:.0%} of a layer's ReLUs are 0 for all of up to 256 training rows; "
    f"error from {ALL_DEAD:.0%} on.",
    source="Maas, Hannun & Ng 2013, Rectifier nonlinearities improve neural network acoustic models",
)
SATURATED = Rule(
    code="saturated",
    explanation="A sigmoid or tanh unit with a large sum is at one of its limits, where its slope is nearly 0: it "
    "hardly learns, and nor do the layers before it.",
    rule=f"In two looks in a row at least {SATURATED_SHARE:.0%} of a hidden layer's outputs, over up to 256 training "
    f"rows, are within {NEAR_LIMIT:.0%} of the range of one of their limits, and the training loss is still above "
    f"{LEARNED:.0%} of that of the best constant answer.",
    source="Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
)
RULES = (DEAD_RELUS, SATURATED)


def examine_units(case: Case, course: Course, before: Reading, now: Reading) -> Iterator[Finding]:
    """Dead and saturated units in two looks, one after the other."""
    learns = not case.comparable or course.train <= LEARNED * case.baseline
    for earlier, units in zip(before.units, now.units, strict=True):
        share = min(earlier.share, units.share)
        if units.kind in RECTIFIERS:
            if share >= DEAD:
                yield _dead(units, share)
        elif share >= SATURATED_SHARE and not learns:
            yield _saturated(units, share)


def _dead(units: Units, share: float) -> Finding:
    dead = round(share * units.count)
    return DEAD_RELUS.found(
        "error" if share >= ALL_DEAD else "warning",
        f"{dead} of the {units.count} {units.kind} units of layer {_index(units.place)} are 0 for every row.",
        {"dead_units": dead, "units": units.count, "share": share, "looks": 2},
        Remedy(
            detail="Let a small part of negative sums through, so that every unit keeps a slope; a lower learning "
            "rate and biases that start at 0 help as well.",
            patch=(replace(units.place, {"kind": "leaky_relu"}),),
        ),
        place=units.place,
    )


def _saturated(units: Units, share: float) -> Finding:
    return SATURATED.found(
        "warning",
        f"{share:.0%} of the outputs of the {units.kind} units of layer {_index(units.place)} are at a limit.",
        {"share_at_limit": share, "units": units.count, "looks": 2},
        Remedy(
            detail="Normalize the sums over each batch before the activation, or start with smaller weights.",
            patch=(Operation(op="add", path=units.place, value={"kind": "batch_normalization"}),),
        ),
        place=units.place,
    )


def _index(place: str) -> str:
    """The layer's number; of a layer within others the numbers on the way to it."""
    return ".".join(step for step in place.split("/") if step.isdigit())
