"""How sure an answer has to be: where a class begins, and what sets and intervals need."""

from collections.abc import Sequence
from typing import Any

from app.problems import Invalid
from engine.encoding.target import AnyTarget
from engine.ensemble import AnyModel
from engine.trust.assurance import DEFAULT_COVERAGE, shortage


def check_threshold(target: AnyTarget) -> None:
    """Raise `Invalid` where a threshold decides nothing."""
    if target.kind not in {"binary", "multilabel"}:
        raise Invalid.at(
            "/query/threshold",
            f"threshold: it is for two classes, or for several labels; this model is {target.kind}",
        )


def decide(predictions: Sequence[dict[str, Any]], target: AnyTarget, threshold: float) -> None:
    """The label by the second class's probability, or the labels by each one's: at least `threshold`."""
    check_threshold(target)
    for prediction in predictions:
        probabilities = prediction["probabilities"]
        if target.kind == "binary":
            prediction["label"] = target.classes[list(probabilities.values())[1] >= threshold]
        else:
            prediction["labels"] = [label for label, p in probabilities.items() if p >= threshold]


def shortage_of(model: AnyModel, coverage: float | None) -> list[str]:
    """What every prediction warns of where the model's calibration rows are too few for the coverage.

    Raises `Invalid` where there are none, and sets or intervals are asked for: `coverage` is not None.
    """
    conformal = model.assurance.conformal
    if conformal is not None:
        short = shortage(conformal, coverage or DEFAULT_COVERAGE)
        return [] if short is None else [short]
    if coverage is None:
        return []
    raise Invalid.at(
        "/query/interval",
        "interval: the model has no calibration rows, from which sets and intervals come; "
        'train it with "calibration": {"fraction": 0.1} in its training',
    )
