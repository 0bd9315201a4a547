"""What the data alone says, before the first epoch."""

from collections.abc import Iterator

import numpy as np

from engine.doctor.case import Case
from engine.doctor.findings import Finding, Remedy, Rule
from engine.doctor.remedies import replace

NAMED_AT_MOST = 20  # columns that a finding lists
IMBALANCE = 10.0
LARGE_INPUT = 30.0
SCALE_RATIO = 100.0
CHANGES_NOTHING = {"flatten", "reshape", "permute", "dropout", "gaussian_noise", "spatial_dropout"}
TAKES_SCALED = {
    "dense",
    "conv1d",
    "conv2d",
    "simple_rnn",
    "lstm",
    "gru",
    "batch_ensemble_dense",
    "member_dense",
}

CONSTANT_FEATURE = Rule(
    code="constant_feature",
    explanation="A column that has the same value in every row cannot tell one row from another, "
    "so the network can learn nothing from it.",
    rule="A feature has one value in all training rows.",
    source="Guyon & Elisseeff 2003, An introduction to variable and feature selection",
)
UNSCALED_INPUTS = Rule(
    code="unscaled_inputs",
    explanation="Inputs of very different or very large sizes give the error surface a long narrow valley: a "
    "learning rate that suits the large inputs is too small for the others.",
    rule="The scaling is none or unit, the first layer is one of weighted sums, and the root mean square of a "
    f"numeric column is above {LARGE_INPUT:g} or above {SCALE_RATIO:g} times the median of all columns.",
    source="LeCun et al. 1998, Efficient BackProp, section 4.3",
)
CLASS_IMBALANCE = Rule(
    code="class_imbalance",
    explanation="Where one class has nearly all rows, a network that always answers with it is nearly always "
    "right, and the rare classes hardly count in the loss.",
    rule=f"The largest class has at least {IMBALANCE:g} times the training rows of the smallest, and rows have "
    "no weights.",
    source="He & Garcia 2009, Learning from imbalanced data",
)
RULES = (CONSTANT_FEATURE, UNSCALED_INPUTS, CLASS_IMBALANCE)


def examine_data(case: Case) -> Iterator[Finding]:
    """Findings of the rules of this file."""
    yield from _constant(case)
    yield from _unscaled(case)
    yield from _imbalanced(case)


def without(case: Case, names: set[str]) -> Remedy | None:
    """The remedy that leaves features out; None where none would be left."""
    kept = [feature.name for feature in case.features if feature.name not in names]
    if not kept:
        return None
    return Remedy(
        detail=f"Leave out {_listed(sorted(names))}.",
        patch=(replace("/features", list(kept)),),
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(map(repr, names[:NAMED_AT_MOST])) + more


def _constant(case: Case) -> Iterator[Finding]:
    if not case.constant:
        return
    many = len(case.constant) > 1
    yield CONSTANT_FEATURE.found(
        "info",
        f"{len(case.constant)} columns have one value in all training rows."
        if many
        else f"The column {case.constant[0]!r} has one value in all training rows.",
        {"columns": list(case.constant[:NAMED_AT_MOST]), "count": len(case.constant)},
        without(case, set(case.constant)),
    )


def _unscaled(case: Case) -> Iterator[Finding]:
    first = next((layer.kind for layer in case.network.layers if layer.kind not in CHANGES_NOTHING), None)
    numbers = [feature for feature in case.features if feature.is_number]
    if case.scaling not in {"none", "unit"} or first not in TAKES_SCALED or not numbers:
        return
    sizes = {
        feature.name: float(np.sqrt(np.mean(np.square(case.x[:, feature.part.start], dtype=np.float64))))
        for feature in numbers
    }
    sizes = {name: size for name, size in sizes.items() if size > 0}
    if not sizes:
        return
    name, largest = max(sizes.items(), key=lambda item: item[1])
    median = float(np.median(list(sizes.values())))
    if largest <= LARGE_INPUT and largest <= SCALE_RATIO * median:
        return
    yield UNSCALED_INPUTS.found(
        "warning",
        f"The inputs are not scaled: {name!r} has a size of {largest:.3g}, the median column {median:.3g}.",
        {"column": name, "largest_rms": largest, "median_rms": median, "scaling": case.scaling},
        Remedy(
            detail="Bring every numeric column to mean 0 and deviation 1.",
            patch=(replace("/scaling", "standard"),),
        ),
    )


def _imbalanced(case: Case) -> Iterator[Finding]:
    counts = case.class_counts
    if len(counts) < 2 or case.is_weighted:
        return
    most, fewest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    ratio, share = counts[most] / counts[fewest], counts[most] / sum(counts.values())
    if ratio < IMBALANCE:
        return
    yield CLASS_IMBALANCE.found(
        "warning",
        f"The class {most!r} has {share:.0%} of the training rows, the class {fewest!r} only {counts[fewest]}.",
        {
            "majority_class": most,
            "majority_share": share,
            "minority_class": fewest,
            "minority_count": counts[fewest],
            "ratio": ratio,
        },
        Remedy(
            detail="Give the rows of rare classes more weight, so that all classes count the same.",
            patch=(replace("/training/class_weights", "balanced"),),
        ),
    )
